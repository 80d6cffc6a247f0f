"""`make demo`: real calls through a real Asterisk, each verdict and what the trunk saw, then the log.

Everything runs in a temporary directory on free ports of 127.0.0.1 and is gone at the end; with `--keep` only when
it is interrupted, and until then the console can be looked at. Where no real Asterisk can be had, the same
questions go through an AGI client, and the table says `simulated`.
"""

import asyncio
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.table import Table

from lab import agi_client, installation
from lab.asterisk import Asterisk, Ports
from lab.errors import AsteriskUnavailable, LabError
from lab.sipp import Call, Result, Trunk, place, with_trunk
from lab.vaglio import Vaglio
from vaglio.clock import now
from vaglio.redaction import mask

SAMPLE = Path(str(resources.files("lab"))) / "sample"
OURS = "+390612345678"
LONDON = "+442079460000"
_WIDTH = 140
_HANDOVER_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the demo, and what it shows."""

    shows: str
    call: Call


STEPS = (
    Step("a customer, nothing against it", Call("+393331234501", "renewals", OURS)),
    Step("the same, dialled nationally", Call("3331234502", "renewals", OURS)),
    Step("a person who has opposed", Call("+393331234567", "renewals", OURS)),
    Step("... dialled as 0039", Call("00393331234567", "renewals", OURS)),
    Step("a number that is not declared", Call("+393331234503", "renewals", "+390699999999")),
    Step("a campaign nobody knows", Call("+393331234504", "unknown", OURS)),
    Step("a number that cannot be", Call("+39333", "renewals", OURS)),
    Step("an emergency call", Call("112", "renewals", OURS)),
)
BY_LAW = (
    Step("GB: not on the TPS", Call("+447400123401", "fibre-offer", LONDON)),
    Step("GB: on the TPS", Call("+447400123402", "fibre-offer", LONDON)),
    Step("GB: on the TPS, consented to us", Call("+447400123403", "fibre-offer", LONDON)),
    Step("IT: mobile without consent", Call("+393331234510", "offerta-fibra", OURS)),
    Step("no rulebook for the country", Call("+818012345678", "fibre-offer", LONDON)),
)
AFTER_STOP = (
    Step("service stopped, policy block", Call("+393331234505", "renewals", OURS)),
    Step("service stopped, policy allow", Call("+393331234506", "outage-notice", OURS)),
    Step("service stopped, emergency", Call("112", "renewals", OURS)),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    shows: str
    number: str
    verdict: str
    reason: str
    sip: str
    trunk: str
    ms: float


def main() -> int:
    """Run the demo; 0 when everything went as it must."""
    keep = "--keep" in sys.argv
    picture = Path(sys.argv[sys.argv.index("--svg") + 1]) if "--svg" in sys.argv else None
    console = Console(width=max(Console().width, _WIDTH), record=picture is not None)
    try:
        with console.status("Setting up a real Asterisk (once; cached afterwards)"):
            installation.fetch()
            installation.sipp()
        asterisk: Asterisk | None = Asterisk(ports=Ports.free())
    except AsteriskUnavailable as error:
        console.print(f"No real Asterisk here ({error}); the same calls through an AGI client, simulated.")
        asterisk = None
    try:
        with tempfile.TemporaryDirectory(prefix="vaglio-demo-") as directory:
            _run(console, Path(directory), asterisk, keep=keep)
    except LabError as error:
        console.print(f"demo: {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("demo: interrupted; nothing is left running")
        return 130
    if picture is not None:
        without_fonts = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        console.save_svg(str(picture), title="make demo", clear=False, code_format=without_fonts)
    return 0


def _run(console: Console, home: Path, asterisk: Asterisk | None, *, keep: bool) -> None:
    with ExitStack() as stack:
        if asterisk is not None:
            vaglio = Vaglio(home, port=asterisk.ports.service, policy_directory=asterisk.policy_dir)
        else:
            vaglio = Vaglio(home)
        vaglio.run("campaign", "import", str(SAMPLE / "campaigns.toml"))
        for kind in ("opposition", "contact", "consent"):
            vaglio.run(kind, "import", str(SAMPLE / f"{kind}s.csv"))
        vaglio.run("register", "import", "tps", str(SAMPLE / "tps.txt"), "--as-of", f"{now():%Y-%m-%d}")
        vaglio.start()
        stack.callback(vaglio.stop)
        if asterisk is None:
            rows = asyncio.run(_simulated(vaglio, (*STEPS, *BY_LAW)))
            _show(console, "Calls (simulated: no Asterisk, no SIP)", rows)
        else:
            stack.enter_context(asterisk)
            trunk = stack.enter_context(Trunk(asterisk.ports.trunk))
            _show(
                console, f"Calls through {installation.find().version()}", _placed(vaglio, asterisk, trunk, STEPS)
            )
            _show(console, "Calls that the law decides, at this hour", _placed(vaglio, asterisk, trunk, BY_LAW))
            vaglio.stop()
            _show(console, "The same with the service stopped", _placed(vaglio, asterisk, trunk, AFTER_STOP))
            vaglio.start()
            place(asterisk.ports.sip, [STEPS[0].call])
            _await_handover(vaglio)
        _show_log(console, vaglio.json("audit", "tail", "--count", "12"))
        verified = vaglio.run("audit", "verify")
        console.print(f"vaglio audit verify: {verified.strip()}", markup=False)
        if keep:
            stack.enter_context(vaglio.web)
            _tour(console, vaglio)


def _tour(console: Console, vaglio: Vaglio) -> None:
    """Leave everything running for a look at the console, until interrupted."""
    login = vaglio.json("account", "add", "visitor", "--role", "auditor")
    console.print(f"\nThe console, filled with these calls: http://127.0.0.1:{vaglio.web.port}/", markup=False)
    console.print(f"Log in as {login['account']} with the password {login['password']} (read-only).", markup=False)
    console.print("Ctrl-C ends everything.")
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


def _await_handover(vaglio: Vaglio) -> None:
    """The PBX hands over what it let out, once the service is back."""
    deadline = time.monotonic() + _HANDOVER_SECONDS
    while time.monotonic() < deadline:
        if any(entry["kind"] == "failopen" for entry in vaglio.json("audit", "tail")):
            return
        time.sleep(0.5)
    raise LabError("the call that the failure policy let out was not handed over to the service")


def _placed(vaglio: Vaglio, asterisk: Asterisk, trunk: Trunk, steps: Sequence[Step]) -> list[Row]:
    results: list[Result] = []
    for step in steps:
        results += place(asterisk.ports.sip, [step.call])
    seen = with_trunk(results, trunk.invites())
    entries = vaglio.json("audit", "tail", "--count", "100") if vaglio.ready() else []
    decisions = [entry for entry in entries if entry["kind"] == "decision"]
    rows = []
    for step, result in zip(steps, seen, strict=True):
        decision = result.trunk.decision if result.trunk else None
        verdict, reason = _decided(decisions, step, decision)
        saw = f"INVITE, {decision}" if result.trunk else "nothing"
        rows.append(Row(step.shows, mask(step.call.number), verdict, reason, str(result.status), saw, result.ms))
    return rows


def _decided(decisions: list[dict[str, Any]], step: Step, decision: str | None) -> tuple[str, str]:
    """Verdict and reason from the log; what the dialplan decided alone has no entry there."""
    if decision == "emergency":
        return "allow", "emergency set"
    if not decisions:
        return "", "failure policy"
    ours = [one for one in decisions if one["number"]["last3"] == step.call.number[-3:]]
    entry = next(one for one in ours if decision in {None, one["id"]})
    decisions.remove(entry)
    return entry["verdict"], entry["reason"]


def _show_log(console: Console, entries: list[dict[str, Any]]) -> None:
    table = Table(title="The last entries of the decision log (vaglio audit tail)", title_justify="left")
    for name in ("seq", "at", "kind", "number", "campaign", "verdict", "reason", "id"):
        table.add_column(name)
    for entry in entries:
        last3 = entry.get("number", {}).get("last3")
        number = mask(last3) if last3 else ""
        words = [str(entry.get(key) or "") for key in ("campaign", "verdict", "reason", "id")]
        table.add_row(str(entry["seq"]), entry["at"][11:23], entry["kind"], number, *words)
    console.print(table)


async def _simulated(vaglio: Vaglio, steps: Sequence[Step]) -> list[Row]:
    rows = []
    for step in steps:
        call = step.call
        outcome = await agi_client.call(
            "127.0.0.1", vaglio.port, "screen", call.number, call.campaign, call.caller_id
        )
        verdict = outcome.variables.get("VAGLIO", "").partition(":")[0]
        reason = outcome.variables.get("VAGLIO_REASON", "")
        rows.append(Row(step.shows, mask(call.number), verdict, reason, "-", "-", outcome.seconds * 1000))
    return rows


def _show(console: Console, title: str, rows: Sequence[Row]) -> None:
    table = Table(title=title, title_justify="left")
    for name in ("what it shows", "number", "verdict", "reason", "SIP", "what the trunk saw", "ms"):
        table.add_column(name, justify="right" if name == "ms" else "left")
    for row in rows:
        colour = {"allow": "green", "block": "red"}.get(row.verdict, "yellow")
        verdict = f"[{colour}]{row.verdict or 'none'}[/{colour}]"
        table.add_row(row.shows, row.number, verdict, row.reason, row.sip, row.trunk, f"{row.ms:.1f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
