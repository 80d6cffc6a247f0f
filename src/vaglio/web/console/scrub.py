"""Scrub: parting a calling list in advance, by upload."""

from fastapi import APIRouter

router = APIRouter()
