"""`vaglio account …`, `vaglio api-key …`: who may come in at the web's doors, and as what."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from vaglio.audit import EntryKind, Log, make
from vaglio.cli.main import app
from vaglio.cli.numbers import read_day
from vaglio.cli.terminal import ConfigOption, JsonOption, print_fields, print_json, print_table
from vaglio.clock import now
from vaglio.errors import InputError
from vaglio.index.reader import Reader as IndexReader
from vaglio.site import Site
from vaglio.web.access import Account, AccountKind, Accounts, Role
from vaglio.web.access.secrets import checked_password, new_key, new_password
from vaglio.web.access.store import AccessStore

if TYPE_CHECKING:
    from datetime import datetime

account = typer.Typer(help="Accounts of people at the console.", no_args_is_help=True)
api_key = typer.Typer(help="Keys of programs at the HTTP API.", no_args_is_help=True)
app.add_typer(account, name="account")
app.add_typer(api_key, name="api-key")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, - and _.")]
RoleOption = Annotated[Role, typer.Option("--role", help="What it may do; docs/web.md has the table.")]
ControllerOption = Annotated[
    str | None, typer.Option("--controller", metavar="C", help="The only principal whose data exist for it.")
]
ExpiresOption = Annotated[
    str | None, typer.Option("--expires", metavar="ISO", help="From then on it opens nothing.")
]
_COLUMNS = ("name", "role", "controller", "created", "expires", "revoked")


@account.command("add")
def add_account(
    name: NameArgument,
    role: RoleOption,
    *,
    controller: ControllerOption = None,
    expires: ExpiresOption = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input; else one is drawn.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make a person's account; a drawn password is shown this once."""
    secret = _read_password() if password_stdin else new_password()
    _add(Site.at(config), AccountKind.USER, name, role, controller, expires, secret)
    told = {"account": name, "role": role.value, "controller": controller}
    print_fields(told if password_stdin else {**told, "password": secret}, json=json)


@account.command("password")
def set_password(
    name: NameArgument,
    *,
    password_stdin: Annotated[bool, typer.Option("--password-stdin")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Give an account a new password; whoever is logged in with it is logged out."""
    secret = _read_password() if password_stdin else new_password()
    site = Site.at(config)
    with _opened(site, AccountKind.USER, name) as accounts:
        _log(site, "new-password", name)
        accounts.set_secret(name, secret)
    print_fields({"account": name} if password_stdin else {"account": name, "password": secret}, json=json)


@account.command("list")
def list_accounts(config: ConfigOption = None, *, json: JsonOption = False) -> None:
    """All accounts, revoked ones too."""
    _list(Site.at(config), AccountKind.USER, json=json)


@account.command("revoke")
def revoke_account(name: NameArgument, config: ConfigOption = None) -> None:
    """Let an account open nothing any more."""
    _revoke(Site.at(config), AccountKind.USER, name)


@api_key.command("add")
def add_key(
    name: NameArgument,
    role: RoleOption,
    *,
    controller: ControllerOption = None,
    expires: ExpiresOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make an API key; it is shown this once."""
    secret = new_key(name)
    _add(Site.at(config), AccountKind.KEY, name, role, controller, expires, secret)
    print_fields({"name": name, "role": role.value, "controller": controller, "key": secret}, json=json)


@api_key.command("list")
def list_keys(config: ConfigOption = None, *, json: JsonOption = False) -> None:
    """All keys, revoked ones too; never the keys themselves, which nobody has."""
    _list(Site.at(config), AccountKind.KEY, json=json)


@api_key.command("revoke")
def revoke_key(name: NameArgument, config: ConfigOption = None) -> None:
    """Let a key open nothing any more."""
    _revoke(Site.at(config), AccountKind.KEY, name)


def _add(
    site: Site,
    kind: AccountKind,
    name: str,
    role: Role,
    controller: str | None,
    expires: str | None,
    secret: str,
) -> None:
    until: datetime | None = None if expires is None else read_day("--expires", expires)
    if controller is not None:
        with IndexReader.open(site.index_file) as index:
            if index.controller(controller) is None:
                raise InputError("--controller: not known here; vaglio controller list shows the known ones")
    with closing(AccessStore(site.accounts_file)) as store:
        Accounts(store).add(Account(name, kind, role, controller, now(), until, None), secret)
    _log(site, "added", name, role=role.value, for_controller=controller, account_kind=kind.value)


def _list(site: Site, kind: AccountKind, *, json: bool) -> None:
    with closing(AccessStore(site.accounts_file)) as store:
        found = Accounts(store).all(kind)
    if json:
        print_json([dict(zip(_COLUMNS, _row(one), strict=True)) for one in found])
    else:
        print_table(f"{kind.capitalize()}s", _COLUMNS, map(_row, found))


def _revoke(site: Site, kind: AccountKind, name: str) -> None:
    with _opened(site, kind, name) as accounts:
        accounts.revoke(name, now())
    _log(site, "revoked", name)
    typer.echo(f"{name} opens nothing any more.")


@contextmanager
def _opened(site: Site, kind: AccountKind, name: str) -> Iterator[Accounts]:
    with closing(AccessStore(site.accounts_file)) as store:
        accounts = Accounts(store)
        found = accounts.find(name)
        if found is None or found[0].kind is not kind:
            group = "account" if kind is AccountKind.USER else "api-key"
            raise InputError(f"{name[:64]!r}: not here; vaglio {group} list shows the known ones")
        yield accounts


def _log(site: Site, done: str, name: str, **fields: object) -> None:
    with Log(site.log_file, site.keys()) as log:
        log.append(make(EntryKind.ACCOUNT, now(), {"done": done, "account": name, **fields}))


def _row(one: Account) -> tuple[str | None, ...]:
    times = (one.created_at, one.expires_at, one.revoked_at)
    return (one.name, one.role.value, one.controller, *(None if at is None else at.isoformat() for at in times))


def _read_password() -> str:
    return checked_password(sys.stdin.readline().rstrip("\n"))
