"""Today: the figures of a day."""

from fastapi import APIRouter

router = APIRouter()
