"""Checkpoints: what was signed, and what the last verification of the log said."""

from fastapi import APIRouter

router = APIRouter()
