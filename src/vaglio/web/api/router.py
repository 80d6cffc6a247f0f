"""All routes of the API under `/v1`."""

from typing import Final

from fastapi import APIRouter

from vaglio.web.api import (
    campaigns,
    check,
    checkpoints,
    consents,
    contacts,
    decisions,
    oppositions,
    registers,
    relationships,
    rulebooks,
    withdrawals,
)

TAGS: Final = [
    {"name": "check", "description": "Ask what would be decided."},
    {"name": "oppositions", "description": "Who refused to be called."},
    {"name": "consents", "description": "Who agreed to be called."},
    {"name": "withdrawals", "description": "Whose consent has ended."},
    {"name": "relationships", "description": "Customers, inquiries, call-backs."},
    {"name": "contacts", "description": "What a principal knows of a number's holder."},
    {"name": "registers", "description": "How fresh the public registers are."},
    {"name": "campaigns", "description": "Campaigns and their principals."},
    {"name": "rulebooks", "description": "The law as dated data."},
    {"name": "decisions", "description": "What was decided, why, and the proof."},
    {"name": "checkpoints", "description": "The log's signed states."},
    {"name": "health", "description": "Of the web process."},
]
_RESOURCES: Final = (
    check,
    oppositions,
    consents,
    withdrawals,
    relationships,
    contacts,
    registers,
    campaigns,
    rulebooks,
    decisions,
    checkpoints,
)
BULK: Final = tuple(
    f"/v1/{kind}/bulk" for kind in ("oppositions", "consents", "withdrawals", "relationships", "contacts")
)
"""The paths that take many facts at once."""

router = APIRouter(prefix="/v1")
for _resource in _RESOURCES:
    router.include_router(_resource.router)
