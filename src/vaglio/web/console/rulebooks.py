"""Rulebooks: the law in force, and how it changed."""

from fastapi import APIRouter

router = APIRouter()
