"""The doctor at a real Asterisk: five planted faults found, none in the shipped example."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.asterisk import CONF, Asterisk
from lab.house import SAMPLE
from lab.pbx import Pbx
from lab.vaglio import Vaglio

pytestmark = pytest.mark.pbx

FAULTY = """
; The gate in one context, forgotten in the other.
[agents-of-milan]
exten => _[+0-9]!,1,Gosub(vaglio,s,1(${EXTEN},energy))
 same => n,Dial(PJSIP/${EXTEN}@trunk,30,b(vaglio-gate^s^1))
[agents-of-turin]
exten => _[+0-9]!,1,NoOp(forgotten)
 same => n,Dial(PJSIP/${EXTEN}@trunk,30)

[by-the-cheapest]
exten => _X.,1,Set(CHEAPEST=${DB(route/${EXTEN})})
 same => n,Dial(${CHEAPEST}/${EXTEN},30)

[day]
include => night
[night]
include => holidays
[holidays]
include => day

[macro-dialout-trunk-predial-hook]
exten => s,1,Set(PREDIAL_HOOK_RET=BYPASS)
 same => n,Return()
"""


def _unwatched(text: str) -> str:
    """vaglio.conf as somebody modified it: without its watchdog."""
    begin = text.index("; The watchdog.")
    return text[:begin] + text[text.index("; Start the hand-over") :]


@contextmanager
def examined(home: Path, extra: dict[str, str], trunks: str = '"PJSIP/trunk"') -> Iterator[Vaglio]:
    asterisk = Asterisk()
    for name, text in extra.items():
        asterisk.overlay(name, text)
    vaglio = Vaglio(home, port=asterisk.ports.service, policy_directory=asterisk.policy_dir)
    (home / "guard").write_text("replace-this-guard-secret")
    (home / "doctor").write_text("replace-this-doctor-secret")
    with vaglio.configuration.open("a") as file:
        file.write(
            f'\n[[pbx]]\nname = "milan"\nport = {asterisk.ports.ami}\ntrunks = [{trunks}]\n'
            'username = "vaglio-guard"\nsecret_file = "guard"\n'
            'doctor_username = "vaglio-doctor"\ndoctor_secret_file = "doctor"\n'
        )
    with asterisk:
        yield vaglio


def weighty(told: Any) -> list[dict[str, Any]]:
    return [one for one in told["findings"] if one["level"] != "note"]


def test_the_shipped_example_is_healthy(running_pbx: Pbx, tmp_path: Path) -> None:
    """With the service running nothing is to be mended, and the doctor says what it did not try."""
    assert running_pbx.asterisk.pid
    with examined(tmp_path, {}) as vaglio, vaglio:
        told = vaglio.json("doctor")
        assert weighty(told) == []
        assert told["healthy"] is True
        assert "not-tried" in {one["check"] for one in told["findings"]}
        assert "milan: healthy" in vaglio.run("doctor", "--pbx", "milan")


def test_five_planted_faults_are_found(running_pbx: Pbx, tmp_path: Path) -> None:
    """Each with its place in the dialplan, and nothing besides."""
    assert running_pbx.asterisk.pid
    extra = {
        "extensions_local.conf": FAULTY,
        "vaglio.conf": _unwatched((CONF / "vaglio.conf").read_text()),
    }
    with examined(tmp_path, extra) as vaglio, vaglio:
        told = weighty(vaglio.json("doctor", codes=(1,)))
        shown = vaglio.run("doctor", codes=(1,))
    found = {(one["check"], one["context"], one["extension"], one["priority"]): one for one in told}
    assert found.keys() == {
        ("path", "agents-of-turin", "_[+0-9]!", 2),
        ("variable", "by-the-cheapest", "_X.", 2),
        ("include", "day", "", 0),
        ("watchdog", "vaglio", "ask", 5),
        ("bypass", "macro-dialout-trunk-predial-hook", "s", 1),
    }
    forgotten = found["path", "agents-of-turin", "_[+0-9]!", 2]
    assert forgotten["line"] == "same => n,Gosub(vaglio,s,1(${FILTER(0-9+,${EXTEN})},CAMPAIGN))"
    assert found["variable", "by-the-cheapest", "_X.", 2]["level"] == "doubt"
    assert "agents-of-turin,_[+0-9]!,2: a trunk is dialled without the gate" in shown


def test_a_service_that_is_down_and_a_trunk_that_is_not_there_are_found(running_pbx: Pbx, tmp_path: Path) -> None:
    """A blocked call could not be refused, and a misspelt trunk would not be watched."""
    assert running_pbx.asterisk.pid
    with examined(tmp_path, {}, '"PJSIP/trunk", "PJSIP/trnuk"') as vaglio:
        found = {one["check"] for one in weighty(vaglio.json("doctor", codes=(1,)))}
    assert found == {"service", "trunks"}


def test_rights_too_wide_are_found_without_showing_a_secret(running_pbx: Pbx, tmp_path: Path) -> None:
    """The guard needs to hang up, and to be shown the passes; the doctor reads secrets and never tells them."""
    assert running_pbx.asterisk.pid
    manager = (CONF / "example" / "manager.conf").read_text().replace("write = call\n", "write = call,originate\n")
    with examined(tmp_path, {"manager.conf": manager.replace("VAGLIO_PASS\n", "OTHER\n")}) as vaglio, vaglio:
        shown = vaglio.run("doctor", "--json", codes=(1,))
    assert shown.count('"check": "rights"') == 2
    assert "replace-this" not in shown


def test_what_the_account_may_not_ask_is_told(running_pbx: Pbx, tmp_path: Path) -> None:
    """An unanswered question is no good answer; the dialplan is examined all the same."""
    assert running_pbx.asterisk.pid
    manager = (CONF / "example" / "manager.conf").read_text().replace("system,reporting", "reporting")
    with examined(tmp_path, {"manager.conf": manager, "extensions_local.conf": FAULTY}) as vaglio, vaglio:
        checks = {one["check"] for one in weighty(vaglio.json("doctor", codes=(1,)))}
    assert checks == {"refused", "path", "variable", "include", "bypass"}


def test_a_refused_login_is_a_finding(running_pbx: Pbx, tmp_path: Path) -> None:
    """The rest of the examination goes on."""
    assert running_pbx.asterisk.pid
    with examined(tmp_path, {}) as vaglio, vaglio:
        (tmp_path / "doctor").write_text("wrong")
        (finding,) = weighty(vaglio.json("doctor", codes=(1,)))
    assert "login as 'vaglio-doctor' refused" in finding["what"]


def test_the_snippets_for_freepbx_and_vicidial_are_healthy(running_pbx: Pbx, tmp_path: Path) -> None:
    """Dials through variables are no doubt where the hook has asked the gate."""
    assert running_pbx.asterisk.pid
    snippets = [*(CONF / "freepbx").glob("vaglio-*.conf"), *(CONF / "vicidial").glob("*.conf")]
    extra = {file.name: file.read_text() for file in snippets}
    included = "#include vaglio-freepbx.conf\n#include vaglio-vicidial.conf\n"
    extra["extensions_local.conf"] = included + (Path(__file__).parent / "distributions.conf").read_text()
    with examined(tmp_path, extra) as vaglio, vaglio:
        assert weighty(vaglio.json("doctor")) == []


def test_a_pbx_without_any_endpoint_has_not_refused_anything(running_pbx: Pbx, tmp_path: Path) -> None:
    """What is missing is the trunk, not a right."""
    assert running_pbx.asterisk.pid
    with examined(tmp_path, {"pjsip.conf": "[global]\ntype = global\n"}) as vaglio, vaglio:
        assert [one["check"] for one in weighty(vaglio.json("doctor", codes=(1,)))] == ["trunks"]


UNGATED = """
[past-the-gate]
exten => _[+0-9]!,1,Wait(30)
[not-obeyed]
exten => _[+0-9]!,1,Set(NUMBER=${EXTEN})
 same => n,Set(AGIEXITONHANGUP=yes)
 same => n,AGI(agi://${VAGLIO_ADDRESS}/screen,${NUMBER},renewals,+390612345678)
 same => n,Wait(30)
"""
OPPOSED = "+393471234567"


@pytest.fixture(scope="module")
def probed(running_pbx: Pbx, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaglio]:
    """The example with two bad contexts, a doctor who may place calls, and an opposed number."""
    assert running_pbx.asterisk.pid
    manager = (
        (CONF / "example" / "manager.conf").read_text().replace("system,reporting", "system,reporting,originate")
    )
    home = tmp_path_factory.mktemp("probed")
    with examined(home, {"manager.conf": manager, "extensions_local.conf": UNGATED}) as vaglio, vaglio:
        vaglio.run("campaign", "import", str(SAMPLE / "campaigns.toml"))
        vaglio.run("opposition", "add", OPPOSED, "--controller", "*")
        yield vaglio


def probe(vaglio: Vaglio, context: str) -> dict[str, Any]:
    told = vaglio.json("doctor", "--probe", f"{OPPOSED}@{context}", codes=(0, 1))
    assert "not-tried" not in {one["check"] for one in told["findings"]}
    assert "rights" not in {one["check"] for one in told["findings"]}
    finding: dict[str, Any]
    (finding,) = [one for one in told["findings"] if one["check"] == "probe"]
    assert OPPOSED[1:] not in str(finding)
    return finding


def test_a_probe_is_refused_at_the_gate(probed: Vaglio) -> None:
    """One real call through the site's own context; the log tells the decision about it."""
    finding = probe(probed, "from-agents")
    assert finding["level"] == "note"
    assert "was refused at the gate: block" in finding["what"]


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ("past-the-gate", "did not ask the gate; it went on"),
        ("not-obeyed", "was to be refused: block, OPPOSITION"),
    ],
)
def test_a_probe_that_goes_on_is_a_fault(probed: Vaglio, context: str, says: str) -> None:
    """It is hung up, and the finding names the context."""
    finding = probe(probed, context)
    assert (finding["level"], finding["context"]) == ("fault", context)
    assert says in finding["what"]


def test_no_probe_rings_anybody(probed: Vaglio) -> None:
    """A number that could be called for some campaign is refused before anything is dialled."""
    done = probed.attempt("doctor", "--probe", "+393479999999@from-agents")
    assert done.returncode == 2
    assert "could be called for campaign" in done.stderr
    assert probed.attempt("doctor", "--probe", "no number").returncode == 2


def test_a_probe_needs_the_right_to_place_calls(running_pbx: Pbx, tmp_path: Path) -> None:
    """Without it the doctor says what to grant."""
    assert running_pbx.asterisk.pid
    with examined(tmp_path, {}) as vaglio, vaglio:
        (finding,) = weighty(vaglio.json("doctor", "--probe", f"{OPPOSED}@from-agents", codes=(1,)))
    assert (finding["check"], finding["level"]) == ("probe", "doubt")
    assert "originate" in finding["remedy"]
