"""`vaglio doctor`: does every way to a trunk pass the gate, and would a verdict come and bind? Changes nothing."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from vaglio import config as configuration
from vaglio.cli.main import app
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json
from vaglio.clock import now
from vaglio.config import Pbx, Settings
from vaglio.errors import InputError, VaglioError
from vaglio.index import overview
from vaglio.index.definitions import definitions
from vaglio.model import Verdict
from vaglio.pbx.accounts import account
from vaglio.pbx.ami import Account
from vaglio.pbx.amiwire import AmiError
from vaglio.pbx.doctor import installation
from vaglio.pbx.doctor.asking import Answers, ask
from vaglio.pbx.doctor.finding import Finding, Level
from vaglio.pbx.doctor.installation import Listener
from vaglio.pbx.doctor.pbx import Service, judge
from vaglio.pbx.doctor.probe import Target, probe
from vaglio.redaction import mask
from vaglio.site import Site

HERE = "installation"
"""How the report calls what is not of one PBX."""


@app.command()
def doctor(
    pbx: Annotated[str | None, typer.Option("--pbx", metavar="NAME", help="Only this PBX.")] = None,
    *,
    probe: Annotated[
        str | None,
        typer.Option(
            "--probe", metavar="NUMBER@CONTEXT", help="Also place one call, to an opposed number: is it refused?"
        ),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Does every path to a trunk pass the gate? Asked of the running PBX; with what else stops or frees calls."""
    site = Site.at(config)
    chosen = _chosen(site.settings, pbx)
    accounts = {
        one.name: account(site.settings, one, one.doctor_username, one.doctor_secret_file, "doctor_")
        for one in chosen
        if one.doctor_username
    }
    target = _target(site, probe) if probe is not None else None
    found = {HERE: _installation(site), **asyncio.run(_all(site, chosen, accounts, target))}
    if json:
        print_json(_document(found))
    else:
        _show(found)
    if any(one.level is not Level.NOTE for some in found.values() for one in some):
        raise typer.Exit(1)


def _chosen(settings: Settings, name: str | None) -> list[Pbx]:
    chosen = [one for one in settings.pbxs if name in (None, one.name)]
    if name is not None and not chosen:
        known = ", ".join(one.name for one in settings.pbxs) or "none"
        raise InputError(f"--pbx {name!r}: not in the configuration; known are: {known}")
    return chosen


def _target(site: Site, text: str) -> Target:
    """What to dial, once it is sure that whatever campaign it is dialled for is told to block it."""
    target = Target.parse(text)
    with site.screener() as screener:
        for campaign in screener.index.campaigns():
            caller_id = campaign.caller_ids[0] if campaign.caller_ids else ""
            if screener.judge(target.number, campaign.id, caller_id).decision.verdict is not Verdict.BLOCK:
                raise InputError(
                    f"--probe: {mask(target.number)} could be called for campaign {campaign.id}, and would ring;"
                    " oppose a number of yours to all first: vaglio opposition add NUMBER --controller '*'"
                )
    return target


async def _all(
    site: Site, chosen: list[Pbx], accounts: dict[str, Account], target: Target | None
) -> dict[str, list[Finding]]:
    settings = site.settings
    secret = configuration.read_secret(settings, settings.fastagi.secret_file)
    service = Service(
        settings.fastagi.listen, settings.standby.listen, secret, str(site.policy_directory.absolute())
    )
    first = Listener("the service", settings.fastagi.listen, settings.health.listen, required=True)
    standby = Listener("the standby", settings.standby.listen, settings.standby.health, required=False)
    running = [
        *await installation.verdicts(first, secret),
        *await installation.verdicts(standby, secret),
    ]
    found = {"service": running}
    for pbx in chosen:
        found[pbx.name] = await _pbx(pbx, accounts.get(pbx.name), service, site.log_file, target)
    return found


async def _pbx(
    pbx: Pbx, account: Account | None, service: Service, log: Path, target: Target | None
) -> list[Finding]:
    if account is None:
        what = "not examined: no doctor_username in its [[pbx]]"
        return [Finding("pbx", Level.DOUBT, what, "docs/doctor.md says how to give the doctor an account")]
    try:
        answers: Answers = await ask(account)
        probed = [await probe(account, target, log)] if target is not None else []
    except AmiError as error:
        what = f"cannot be asked at {pbx.host}:{pbx.port}: {error}"
        return [Finding("pbx", Level.FAULT, what, "see to manager.conf, to Asterisk, and to the network between")]
    return [*judge(pbx, answers, service, probing=target is not None), *probed]


def _installation(site: Site) -> list[Finding]:
    found = list(installation.files((site.index_file, site.log_file), site.keys))
    if not site.settings.pbxs:
        remedy = "docs/doctor.md says how to add it"
        found.append(Finding("pbx", Level.DOUBT, "no [[pbx]] is configured: no dialplan was examined", remedy))
    try:
        known = overview.registers(site.index_file, definitions(site.settings.registers))
        found += installation.registers(known, site.campaigns_asking(now()))
    except VaglioError as error:
        found.append(Finding("files", Level.FAULT, str(error)))
    return found


def _document(found: dict[str, list[Finding]]) -> dict[str, Any]:
    return {
        "healthy": all(one.level is Level.NOTE for some in found.values() for one in some),
        "findings": [{"about": about, **asdict(one)} for about, some in found.items() for one in some],
    }


def _show(found: dict[str, list[Finding]]) -> None:
    for about, some in found.items():
        faults = sum(one.level is not Level.NOTE for one in some)
        typer.echo(f"{about}: {'healthy' if not faults else f'{faults} to mend or to look at'}")
        for one in sorted(some, key=lambda finding: list(Level).index(finding.level)):
            where = f"{one.context},{one.extension},{one.priority}: " if one.extension else ""
            typer.echo(f"  {one.level.upper():<5}  {_clean(where + one.what)}")
            if one.line:
                typer.echo(f"         add   {_clean(one.line)}")
            if one.remedy:
                typer.echo(f"         then  {one.remedy}" if one.line else f"         do    {one.remedy}")


def _clean(text: str) -> str:
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)
