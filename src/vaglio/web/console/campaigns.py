"""Campaigns and the principals they call for, and their changes over time."""

from fastapi import APIRouter

router = APIRouter()
