"""A house whose PBX is watched: the guard is logged in, and behind its trunks are persons of several tempers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.ami import Manager
from lab.asterisk import CONF, Asterisk
from lab.certificate import certificate
from lab.house import SAMPLE, House
from lab.pbx import Pbx, eventually
from lab.ports import free_port
from lab.sipp import Trunk
from lab.vaglio import Vaglio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECRET = "replace-this-guard-secret"  # noqa: S105 - the example's own
_TESTER = "[tester]\nsecret = tester\nread =\nwrite = call,originate,user,system\n"
_TRUNK = """
[{name}]
type = endpoint
transport = transport
context = from-trunk
aors = {name}
disallow = all
allow = ulaw,alaw
direct_media = no
[{name}]
type = aor
contact = sip:127.0.0.1:{port}
"""


@dataclass(frozen=True, slots=True)
class WatchedHouse(House):
    """A house with a `patient` and a `busy` trunk beside the usual one."""

    patient: Trunk
    busy: Trunk

    def manager(self) -> Manager:
        """Log in as somebody who may do everything a dialler does."""
        return Manager(self.pbx.asterisk.ports.ami, "tester", "tester")

    def as_guard(self) -> Manager:
        """Log in as the guard does, and hear what it hears."""
        return Manager(self.pbx.asterisk.ports.ami, "vaglio-guard", _SECRET, "on")

    def channels(self, name: str) -> list[str]:
        """The channels alive whose name begins so."""
        lines = self.pbx.asterisk.cli("core show channels concise").splitlines()
        return [line.partition("!")[0] for line in lines if line.startswith(name)]

    def hang_up_all(self) -> None:
        """End every call."""
        self.pbx.asterisk.cli("channel request hangup all")

    def metric(self, name: str) -> float:
        """The sum of a metric's samples; 0 when there are none."""
        lines = self.vaglio.get("/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))

    def watched(self) -> bool:
        """Whether the service is logged in."""
        return self.metric("vaglio_ami_up") == 1


@contextmanager
def running(
    home: Path, dialplan: str, *, hang_up: bool, filters: str = "", tls: bool = False
) -> Iterator[WatchedHouse]:
    """A watched house with this local dialplan.

    `filters` replaces the guard's event filters; with `tls` the guard logs in over TLS.
    """
    asterisk = Asterisk(extra={"extensions_local.conf": dialplan})
    ports = {"patient": free_port(), "busy": free_port()}
    trunks = "".join(_TRUNK.format(name=name, port=port) for name, port in ports.items())
    manager = (CONF / "example" / "manager.conf").read_text()
    if filters:
        manager = "".join(line for line in manager.splitlines(keepends=True) if not line.startswith("eventfilter"))
        manager = manager.replace("[vaglio-doctor]", f"{filters}\n[vaglio-doctor]")
    asterisk.overlay("pjsip.conf", (CONF / "example" / "pjsip.conf").read_text() + trunks)
    vaglio = Vaglio(home, port=asterisk.ports.service, policy_directory=asterisk.policy_dir)
    port, trusted = asterisk.ports.ami, ""
    if tls:
        pem, key = certificate(home)
        asterisk.overlay("pbx.pem", pem.read_text() + key.read_text())
        port, trusted = free_port(), f'tls = true\ntls_ca_file = "{pem.name}"\n'
        enabled = f"tlsenable = yes\ntlsbindaddr = 127.0.0.1:{port}\ntlscertfile = {asterisk.inside('pbx.pem')}\n"
        manager = manager.replace("enabled = yes\n", f"enabled = yes\n{enabled}", 1)
    asterisk.overlay("manager.conf", manager + _TESTER)
    (home / "ami-secret").write_text(_SECRET)
    names = ", ".join(f'"PJSIP/{name}"' for name in ("trunk", *ports))
    with vaglio.configuration.open("a") as file:
        file.write(
            f'\n[[pbx]]\nname = "milan"\nport = {port}\nusername = "vaglio-guard"\n'
            f'secret_file = "ami-secret"\ntrunks = [{names}]\n{trusted}'
            f"hang_up_unscreened = {str(hang_up).lower()}\n"
        )
    vaglio.run("campaign", "import", str(SAMPLE / "campaigns.toml"))
    with (
        asterisk,
        Trunk(asterisk.ports.trunk) as trunk,
        Trunk(ports["patient"], "patient") as patient,
        Trunk(ports["busy"], "busy") as busy,
        vaglio,
    ):
        house = WatchedHouse(Pbx(asterisk, trunk), vaglio, patient, busy)
        eventually(house.watched)
        yield house
