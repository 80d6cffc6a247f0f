"""A PBX with the real service behind it: what a call centre has, on one machine."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.asterisk import Asterisk
from lab.errors import LabError
from lab.pbx import Pbx
from lab.sipp import Trunk
from lab.vaglio import Vaglio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.sipp import Result

SAMPLE = Path(str(resources.files("lab"))) / "sample"
OURS = "+390612345678"
"""The caller id that the sample campaigns declare."""


@dataclass(frozen=True, slots=True)
class House:
    """The PBX and the service it asks."""

    pbx: Pbx
    vaglio: Vaglio

    def dial(self, number: str, campaign: str = "renewals", caller_id: str = OURS, name: str = "") -> Result:
        """Place one call, with a declared caller id unless another is given."""
        return self.pbx.dial(number, campaign, caller_id, name)

    def decision(self, number: str) -> dict[str, Any]:
        """The latest decision about a number with these last three digits.

        Raises LabError when there is none.
        """
        about = [one for one in self.vaglio.entries("decision") if one["number"]["last3"] == number[-3:]]
        if not about:
            raise LabError(f"no decision about a number that ends in {number[-3:]}")
        return about[-1]


@contextmanager
def running(home: Path) -> Iterator[House]:
    """A house of its own with the sample campaigns and oppositions, the service running."""
    asterisk = Asterisk()
    vaglio = Vaglio(home, port=asterisk.ports.service, policy_directory=asterisk.policy_dir)
    vaglio.run("campaign", "import", str(SAMPLE / "campaigns.toml"))
    vaglio.run("opposition", "import", str(SAMPLE / "oppositions.csv"))
    with asterisk, Trunk(asterisk.ports.trunk) as trunk, vaglio:
        yield House(Pbx(asterisk, trunk), vaglio)
