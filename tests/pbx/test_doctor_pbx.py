"""What the doctor makes of the PBX's other answers and of the installation."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.ports import free_port
from vaglio.config import Pbx
from vaglio.errors import ConfigError
from vaglio.index.definitions import RegisterKind
from vaglio.index.overview import RegisterInfo
from vaglio.pbx.doctor import installation
from vaglio.pbx.doctor.asking import Answers
from vaglio.pbx.doctor.finding import Finding, Level
from vaglio.pbx.doctor.installation import Listener
from vaglio.pbx.doctor.pbx import Service, judge
from vaglio.pbx.doctor.rights import rights

SERVICE = Service(("127.0.0.1", 4573), ("127.0.0.1", 4574), None, "/var/lib/vaglio/failure-policy")
PBX = Pbx(name="milan", trunks=("PJSIP/trunk",), username="guard", doctor_username="doctor")


def weighty(some: list[Finding]) -> list[str]:
    return [one.check for one in some if one.level is not Level.NOTE]


def judged(answers: Answers, service: Service = SERVICE) -> list[str]:
    return weighty(judge(PBX, answers, service))


def test_what_was_not_answered_is_never_taken_for_healthy() -> None:
    """A refused question is a doubt, nothing asked is nothing found."""
    assert judged(Answers(refused=("ShowDialPlan: Permission denied",))) == ["refused"]


def test_a_clock_that_is_off_is_found() -> None:
    """Two seconds are forgiven."""
    assert judged(Answers(clock_ahead=-2.5)) == ["clock"]
    assert judged(Answers(clock_ahead=1.5)) == []


@pytest.mark.parametrize(
    ("variables", "service"),
    [
        ({"VAGLIO_ADDRESS": "vaglio.example:4573"}, SERVICE),
        ({"VAGLIO_ADDRESS": "127.0.0.1:4600"}, SERVICE),
        ({"VAGLIO_STANDBY": "127.0.0.1:4600"}, SERVICE),
        ({"VAGLIO_SECRET": "other"}, Service(SERVICE.listen, SERVICE.standby, "ours", SERVICE.policy_directory)),
    ],
)
def test_a_dialplan_that_asks_in_the_wrong_place_is_found(variables: dict[str, str], service: Service) -> None:
    """A name, another port, another secret: no verdict would come."""
    assert judged(Answers(variables=variables), service) == ["address"]


def test_missing_modules_are_named() -> None:
    """The gate needs them."""
    told = judge(PBX, Answers(missing_modules=("func_lock",)), SERVICE)
    assert [one.what for one in told if one.check == "modules"] == [
        "modules the gate needs are not loaded: func_lock"
    ]


def test_rights_beyond_the_need_are_found_and_others_are_noted() -> None:
    """Vaglio's own accounts are judged; what others hold is told."""
    manager = {
        "general": {"channelvars": "A, VAGLIO_PASS"},
        "guard": {"write": "call,originate"},
        "doctor": {"write": "system,reporting,command"},
        "dialler": {"write": "originate,call"},
        "gone": {"write": "all", "enabled": "no"},
    }
    told = list(rights(manager, "guard", "doctor", hangs_up=True, probing=False))
    assert [(one.level, one.what.count("'guard'"), one.what.count("'dialler'")) for one in told] == [
        (Level.FAULT, 1, 0),
        (Level.FAULT, 0, 0),
        (Level.NOTE, 0, 1),
    ]


def test_a_guard_that_should_hang_up_and_may_not_is_found() -> None:
    """It would watch an unscreened call go on."""
    manager = {"general": {"channelvars": "VAGLIO_PASS"}, "guard": {"read": "call"}}
    (finding,) = rights(manager, "guard", "doctor", hangs_up=True, probing=False)
    assert "may not hang up" in finding.what


def test_registers_name_the_campaigns_they_stop() -> None:
    """Stale or never taken in is a fault, soon stale a note; one nobody asks is silent."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    known = [
        RegisterInfo("tps", RegisterKind.LIST, as_of=at, days_left=-3.0),
        RegisterInfo("rpo", RegisterKind.QUERY, controller="acme"),
        RegisterInfo("ctps", RegisterKind.LIST, as_of=at, days_left=4.0),
        RegisterInfo("us-dnc", RegisterKind.LIST),
    ]
    asking = {"tps": ["energy"], "rpo": ["renewals"], "ctps": ["energy"]}
    told = list(installation.registers(known, asking))
    assert [one.level for one in told] == [Level.FAULT, Level.FAULT, Level.NOTE]
    assert "may stop: energy" in told[0].what
    assert "rpo of acme was never taken in; may stop: renewals" in told[1].what


def test_keys_and_databases_that_others_can_use_are_found(tmp_path: Path) -> None:
    """With the line that mends each."""

    def broken() -> object:
        raise ConfigError("keys/search.key: readable by others than its owner; run chmod 600")

    open_to_all = tmp_path / "index.db"
    open_to_all.write_bytes(b"")
    open_to_all.chmod(0o644)
    told = [one for one in installation.files((open_to_all, tmp_path / "gone.db"), broken) if one.check != "disk"]
    assert [one.check for one in told] == ["keys", "files", "files"]
    assert told[1].remedy == f"run `chmod o= {open_to_all}`"


async def test_a_service_that_is_not_there_is_a_fault_and_a_standby_a_note() -> None:
    """Only the first one is required."""
    address = ("127.0.0.1", free_port())
    levels = [
        one.level
        for required in (True, False)
        for one in await installation.verdicts(Listener("it", address, address, required), None)
    ]
    assert levels == [Level.FAULT, Level.NOTE]
