"""A number: all that is held and decided about it, and what would be decided now."""

from fastapi import APIRouter

router = APIRouter()
