"""Registers: how fresh they are, and their changes over time."""

from fastapi import APIRouter

router = APIRouter()
