"""Reports for principals, impact assessments and monitoring bodies."""

from fastapi import APIRouter

router = APIRouter()
