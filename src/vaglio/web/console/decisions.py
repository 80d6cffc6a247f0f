"""Decisions: found, explained, proven."""

from fastapi import APIRouter

router = APIRouter()
