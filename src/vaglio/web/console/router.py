"""All pages of the console."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
