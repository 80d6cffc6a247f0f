"""The whole bench as one thing: a running Asterisk, the trunk behind it, and what one asks of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.sipp import Call, place

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.asterisk import Asterisk
    from lab.sipp import Invite, Result, Trunk


@dataclass(frozen=True, slots=True)
class Pbx:
    """A running Asterisk with its trunk."""

    asterisk: Asterisk
    trunk: Trunk

    def set(self, **values: str) -> None:
        """Set dialplan globals; an empty value counts as not set."""
        for name, value in values.items():
            self.asterisk.cli(f'dialplan set global {name} "{value}"')

    def dial(self, number: str, campaign: str = "energy", caller_id: str = "0399123456", name: str = "") -> Result:
        """Place one call as the agent and wait for its end."""
        return place(self.asterisk.ports.sip, [Call(number, campaign, caller_id, name)])[0]

    def saw(self, number: str) -> list[Invite]:
        """What the trunk saw for this number."""
        return self.trunk.invites(number)

    def policy(self, campaign: str, text: str) -> None:
        """Write a campaign's failure policy, as the service does."""
        (self.asterisk.policy_dir / campaign).write_text(text)

    def stored(self, family: str, key: str) -> str:
        """A value of AstDB, empty when there is none."""
        return self.asterisk.cli(f"database get {family} {key}").partition("Value: ")[2].strip()

    def kept(self) -> list[str]:
        """The calls let out by the failure policy and not yet handed over."""
        lines = self.asterisk.cli("database show vaglio failopen").splitlines()
        return [line.partition(": ")[2].strip() for line in lines if line.startswith("/vaglio/failopen/")]


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until this holds; raises LabError when it does not within the time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds:g} s in vain for {holds.__qualname__}")
        time.sleep(0.05)
