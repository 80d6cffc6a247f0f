"""What a marketing call in Italy rests on: contacts, consents, verdicts of the register, attempts.

Every number that is called has a contact, a consent with evidence and a fresh verdict of the register (RPO), so
that a call is asked for script, caller id, opposition, hours, attempts, silent calls, register and consent, and
allowed. Two rules of the site's own make that so at whatever hour the bench runs: calling hours are around the
clock, and the cap on attempts, which the shipped rulebook leaves off, is on.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CAMPAIGN = "bench-marketing"
PREFIX = "39333"
"""What a called number begins with; seven digits follow."""
NUMBERS = 10_000
RULES = """
[[change]]
rule = "IT-COC-02"
override = "a bench runs at any hour"
[change.params]
calendar = "IT"
weekdays = ["00:00-24:00"]
saturday = ["00:00-24:00"]
eve = ["00:00-24:00"]
sunday = ["00:00-24:00"]
holiday = ["00:00-24:00"]

[[change]]
rule = "IT-COC-14"
enabled = true
override = "a bench calls a number more than once"
params = { max_attempts = 5, days = 30 }
"""
CAMPAIGNS = f"""
[[campaign]]
id = "{CAMPAIGN}"
controller = "acme"
caller_org = "Acme"
purpose = "marketing"
sector = "telecom"
dial_mode = "preview"
region = "IT"
caller_ids = ["+33187654321"]
starts = 2020-01-01
ends = 2099-12-31
script_version = "1"
notice_version = "1"
"""


def load(call: Callable[..., str], directory: Path) -> None:
    """Bring the facts into the site's index with its own commands; `call` runs one and returns what it printed."""
    numbers = [f"+{PREFIX}{number:07d}" for number in range(NUMBERS)]
    contacts = [f"{number},acme,yes,natural" for number in numbers]
    consents = [
        f"{number},acme,marketing,2026-01-05T10:00:00Z,web,https://evidence.example/{number[-7:]}"
        for number in numbers
    ]
    _write(directory / "contacts.csv", "number,controller,directory_listed,subject_type", contacts)
    _write(directory / "consents.csv", "number,controller,purpose,given_at,method,evidence_uri", consents)
    call("contact", "import", directory / "contacts.csv")
    call("consent", "import", directory / "consents.csv")
    asked = call("register", "request", "rpo", "--controller", "acme", "--out", directory / "rpo.txt", "--json")
    _write(directory / "rpo.csv", "number,status,consents_void_until", [f"{number},clear," for number in numbers])
    batch = json.loads(asked)["batch"]
    call("register", "import", "rpo", directory / "rpo.csv", "--controller", "acme", "--batch", batch)


def _write(file: Path, head: str, rows: list[str]) -> None:
    file.write_text("\n".join([head, *rows, ""]))
