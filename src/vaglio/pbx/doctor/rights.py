"""Who may do what over the manager interface: the least for Vaglio's accounts, and who could pass the gate by."""

from collections.abc import Iterator, Mapping
from typing import Final

from vaglio.pbx.doctor.finding import Finding, Level
from vaglio.pbx.events import PASS

_GUARD: Final = frozenset({"call"})
_DOCTOR: Final = frozenset({"system", "reporting"})
_PROBE: Final = frozenset({"originate"})
_PAST: Final = frozenset({"all", "originate", "command", "system", "config"})
"""Rights that place calls, run commands or change the dialplan."""


def rights(
    manager: Mapping[str, Mapping[str, str]], guard: str | None, doctor: str, *, hangs_up: bool, probing: bool
) -> Iterator[Finding]:
    """Judge manager.conf.

    Args:
        manager: category → key → value, as `GetConfig` tells it.
        guard: the guard's account, where the PBX is watched.
        doctor: the doctor's account.
        hangs_up: whether the guard ends unscreened calls.
        probing: whether the doctor was told to place a call, which takes one right more.
    """
    for name, least in ((guard, _GUARD), (doctor, _DOCTOR | _PROBE if probing else _DOCTOR)):
        held = _held(manager.get(name, {})) if name else frozenset()
        if wide := sorted(held - least):
            yield Finding(
                "rights",
                Level.FAULT,
                f"AMI account {name!r} may write more than it needs: {', '.join(wide)}",
                f"in manager.conf: write = {','.join(sorted(least & held or least))}; then `manager reload`",
            )
    if guard is not None:
        if PASS not in manager.get("general", {}).get("channelvars", "").replace(" ", "").split(","):
            yield Finding(
                "rights",
                Level.FAULT,
                f"manager.conf does not show {PASS}: the guard cannot tell which pass a call bears",
                f"add {PASS} to channelvars in [general], then `manager reload`",
            )
        if hangs_up and guard in manager and "call" not in _held(manager[guard]):
            yield Finding(
                "rights",
                Level.FAULT,
                f"hang_up_unscreened is set, and AMI account {guard!r} may not hang up",
                "in manager.conf: write = call; then `manager reload`",
            )
    for name, account in manager.items():
        if name not in {"general", guard, doctor} and (past := sorted(_held(account) & _PAST)):
            yield Finding(
                "rights",
                Level.NOTE,
                f"AMI account {name!r} can place calls past the dialplan or change it: {', '.join(past)}",
                "only the guard sees such calls; give the account less, or set hang_up_unscreened",
            )


def _held(account: Mapping[str, str]) -> frozenset[str]:
    if account.get("enabled", "yes").strip().lower() in {"no", "false", "0", "off"}:
        return frozenset()
    return frozenset(right.strip().lower() for right in account.get("write", "").split(",") if right.strip())
