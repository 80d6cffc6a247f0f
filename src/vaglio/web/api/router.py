"""All routes of the API under `/v1`."""

from fastapi import APIRouter

router = APIRouter(prefix="/v1")
