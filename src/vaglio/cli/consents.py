"""`vaglio consent …`, and the files of withdrawals, relationships and contacts."""

import asyncio
from typing import Annotated

import typer

from vaglio.cli.facts import add_import, add_show, option
from vaglio.cli.main import app
from vaglio.cli.numbers import NumberArgument, RegionOption, read_instant, read_number
from vaglio.cli.terminal import ConfigOption, JsonOption, print_fields
from vaglio.clock import now
from vaglio.index.records import FactKind, Record
from vaglio.model import ConsentChannel
from vaglio.numbers import Number
from vaglio.recording import add as add_fact
from vaglio.recording import known_controller, record
from vaglio.site import Site

consent = typer.Typer(
    help="Consents: who agreed to be called, by whom, for what, and the proof.", no_args_is_help=True
)
withdrawal = typer.Typer(help="Withdrawals of consent.", no_args_is_help=True)
relationship = typer.Typer(
    help="Contracts, purchases, inquiries, requested calls, call-backs.", no_args_is_help=True
)
contact = typer.Typer(help="What a principal knows of a number's holder.", no_args_is_help=True)
app.add_typer(consent, name="consent")
app.add_typer(withdrawal, name="withdrawal")
app.add_typer(relationship, name="relationship")
app.add_typer(contact, name="contact")

add_import(consent, FactKind.CONSENT)
add_import(withdrawal, FactKind.WITHDRAWAL)
add_import(relationship, FactKind.RELATIONSHIP)
add_import(contact, FactKind.CONTACT)
add_show(
    consent,
    FactKind.CONSENT,
    (
        "controller",
        "purpose",
        "channel",
        "sector",
        "given_at",
        "expires_at",
        "method",
        "evidence_uri",
        "replaced_by",
    ),
)
add_show(
    withdrawal, FactKind.WITHDRAWAL, ("controller", "purpose", "channel", "withdrawn_at", "evidence_uri", "entry")
)
add_show(
    relationship,
    FactKind.RELATIONSHIP,
    ("controller", "kind", "started_at", "ended_at", "sector", "simplified_revocation", "entry"),
)
add_show(
    contact,
    FactKind.CONTACT,
    ("controller", "directory_listed", "region", "subdivision", "timezone", "subject_type", "entry"),
)

ControllerOption = Annotated[str, typer.Option("--controller", metavar="C", help="The principal.")]
PurposeOption = Annotated[str, typer.Option("--purpose", metavar="P", help="What the consent is for.")]
EvidenceOption = Annotated[str | None, typer.Option("--evidence", metavar="URI", help="Where the proof is kept.")]


@consent.command()
def add(
    number: NumberArgument,
    controller: ControllerOption,
    purpose: PurposeOption,
    given_at: Annotated[str, typer.Option("--given-at", metavar="ISO", help="When, with its zone.")],
    method: Annotated[str, typer.Option("--method", metavar="HOW", help="web-form, paper, voice, in-store …")],
    *,
    channel: Annotated[ConsentChannel, typer.Option("--channel")] = ConsentChannel.HUMAN,
    sector: Annotated[str | None, typer.Option("--sector")] = None,
    expires_at: Annotated[str | None, typer.Option("--expires-at", metavar="ISO")] = None,
    evidence: EvidenceOption = None,
    evidence_sha256: Annotated[str | None, typer.Option("--evidence-sha256", metavar="HEX")] = None,
    notice: Annotated[str | None, typer.Option("--notice", metavar="ID", help="The information shown.")] = None,
    collected_by: Annotated[str | None, typer.Option("--collected-by")] = None,
    region: RegionOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Record one consent."""
    read = read_number(number, region)
    given = read_instant("--given-at", given_at)
    consented = record(
        FactKind.CONSENT,
        {
            "number": read.e164,
            "controller": controller,
            "purpose": purpose,
            "given_at": given.isoformat(),
            "method": method,
            "channel": channel.value,
            "sector": sector,
            "expires_at": read_instant("--expires-at", expires_at).isoformat() if expires_at else None,
            "evidence_uri": evidence,
            "evidence_sha256": evidence_sha256,
            "notice_id": notice,
            "collected_by": collected_by,
        },
        option,
    )
    entry = asyncio.run(_add(Site.at(config), consented, read))
    print_fields({"number": read.masked, "controller": controller, "purpose": purpose, "entry": entry}, json=json)


@consent.command()
def withdraw(
    number: NumberArgument,
    controller: ControllerOption,
    purpose: PurposeOption,
    evidence: EvidenceOption = None,
    *,
    region: RegionOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Record that a consent was withdrawn; the consent stays on record, and binds no more."""
    read = read_number(number, region)
    withdrawn = record(
        FactKind.WITHDRAWAL,
        {
            "number": read.e164,
            "controller": controller,
            "purpose": purpose,
            "withdrawn_at": now().isoformat(),
            "evidence_uri": evidence,
        },
        option,
    )
    entry = asyncio.run(_add(Site.at(config), withdrawn, read))
    print_fields({"number": read.masked, "controller": controller, "purpose": purpose, "entry": entry}, json=json)


async def _add(site: Site, fact: Record, number: Number) -> str:
    async with site.changes() as (changes, store):
        await known_controller(store, fact.controller, option("controller"))
        announced, _ = await add_fact(changes, store, fact, number, {})
        return announced.id
