"""A campaigns.toml taken over: what the shell and the console share. All of it or nothing."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from vaglio.changes import Announcement, Change, Changes
from vaglio.index import campaigns, imports
from vaglio.index.campaigns import CampaignFile
from vaglio.index.reader import Reader
from vaglio.index.rows import ImportSummary, sha256_of
from vaglio.index.store import Store
from vaglio.model import Campaign
from vaglio.policy import write_policies
from vaglio.recording import before_and_after


async def take_over(
    changes: Changes,
    store: Store,
    policies: Path,
    file: Path,
    *,
    name: str | None = None,
    origin: Mapping[str, object] | None = None,
    owns: Callable[[str], bool] = lambda _: True,
    check: Callable[[CampaignFile, Mapping[str, Campaign]], None] | None = None,
) -> tuple[Announcement, ImportSummary]:
    """Add or replace the controllers and campaigns of a file; the log tells what was and is.

    `policies` is where the dialplan reads failure policies, `name` how the log calls the file. `owns` tells of
    which controllers the file may know without defining them; `check` may refuse its content, in view of the
    campaigns that stand.

    Raises:
        VaglioError: when the file is not as it must be, or a database cannot be written; nothing was changed.
    """
    content, changed, sha256 = await asyncio.to_thread(_read, store.path, file, owns, check)
    told = {
        **(origin or {}),
        "file": name or file.name,
        "sha256": sha256,
        "controllers": [one.id for one in content.controllers],
        "campaigns": changed,
    }
    announced, summary = await changes.make(
        Change.CAMPAIGNS,
        told,
        lambda entry: imports.import_campaigns(store, file, entry=entry),
        result=lambda summary: {**asdict(summary), "file": name or summary.file},
    )
    await asyncio.to_thread(_tell_the_dialplan, store.path, policies)
    return announced, summary


def _read(
    index_file: Path,
    file: Path,
    owns: Callable[[str], bool],
    check: Callable[[CampaignFile, Mapping[str, Campaign]], None] | None,
) -> tuple[CampaignFile, list[dict[str, object]], str]:
    with Reader.open(index_file) as index:
        known = {one.id: one for one in index.campaigns()}
        content = campaigns.load(file, known_controllers=[one.id for one in index.controllers() if owns(one.id)])
    if check is not None:
        check(content, known)
    changed = [before_and_after(known.get(one.id), one) for one in content.campaigns if known.get(one.id) != one]
    return content, changed, sha256_of(file)


def _tell_the_dialplan(index_file: Path, policies: Path) -> None:
    with Reader.open(index_file) as index:
        write_policies(policies, index.campaigns())
