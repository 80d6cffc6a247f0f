"""The failure policy of each campaign, where the dialplan can read it while nothing of ours runs.

One file a campaign, named after it, holding `allow` or `block` without a line end. The dialplan reads it with
`FILE()`; a missing, empty or other content is a block. The files hold nothing personal and are world-readable.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from vaglio.errors import StoreError
from vaglio.model import Campaign


def write_policies(directory: Path, campaigns: Iterable[Campaign]) -> int:
    """Make the directory say what the campaigns say; returns how many files changed.

    Each file is replaced whole. Files of campaigns that are gone are removed.

    Raises:
        StoreError: when the directory cannot be written.
    """
    wanted = {campaign.id: campaign.on_failure.value for campaign in campaigns}
    try:
        if not directory.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o755)  # whatever the umask: the PBX runs as another user
        present = {file.name: file for file in directory.iterdir() if file.is_file()}
        changed = 0
        for name in present.keys() - wanted.keys():
            # What begins with a dot another process may be writing now: it is no campaign's name.
            if not name.startswith("."):
                present[name].unlink(missing_ok=True)
                changed += 1
        for name, policy in wanted.items():
            if name in present and present[name].read_text(encoding="ascii", errors="replace") == policy:
                continue
            fresh = directory / f".{name}.{os.getpid()}"
            fresh.write_text(policy, encoding="ascii")
            fresh.chmod(0o644)
            fresh.replace(directory / name)
            changed += 1
    except OSError as error:
        raise StoreError(
            f"{directory}: the failure policies cannot be written ({error.strerror}); "
            "give the service's user write access, or set failure_policy.directory"
        ) from error
    return changed
