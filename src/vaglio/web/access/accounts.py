"""Accounts of people and keys of programs: made, shown, expired, revoked."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, cast

from vaglio.errors import InputError, NotFoundError
from vaglio.web.access.roles import Role
from vaglio.web.access.secrets import hashed
from vaglio.web.access.store import AccessStore

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_COLUMNS: Final = "name, kind, role, controller, created_at, expires_at, revoked_at"
_ONE: Final = f"SELECT {_COLUMNS}, secret FROM account WHERE name = ?"  # noqa: S608 - a constant
_ALL: Final = f"SELECT {_COLUMNS} FROM account WHERE kind = ? ORDER BY name"  # noqa: S608 - a constant
_ADD: Final = """
INSERT INTO account (name, kind, role, controller, secret, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)"""


class AccountKind(StrEnum):
    """Who shows the secret."""

    USER = "user"
    """A person, with a password, at the console."""
    KEY = "key"
    """A program, with an API key."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account, without its secret."""

    name: str
    kind: AccountKind
    role: Role
    controller: str | None
    """The only controller whose data exist for it; None: all."""
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def valid(self, at: datetime) -> bool:
        """Whether it opens anything at that time."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


class Accounts:
    """The accounts of one site; see `AccessStore` for who may call what where."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store

    def find(self, name: str) -> tuple[Account, str] | None:
        """An account and the hash of its secret, revoked and expired ones too."""
        rows = self._store.rows(_ONE, (name,))
        return (_account(rows[0][:-1]), str(rows[0][-1])) if rows else None

    def all(self, kind: AccountKind) -> list[Account]:
        """All of one kind, by name."""
        return [_account(row) for row in self._store.rows(_ALL, (kind.value,))]

    def add(self, account: Account, secret: str) -> None:
        """Make an account; costs a hash.

        Raises:
            InputError: when the name is taken or is none, or the role asks for a controller.
        """
        if not _NAME.fullmatch(account.name):
            raise InputError(
                f"account {account.name[:64]!r}: expected letters, digits, - and _, at most 64 of them"
            )
        if account.role is Role.PRINCIPAL_AUDITOR and account.controller is None:
            raise InputError(f"account {account.name}: a {account.role} needs --controller: whose data it sees")
        if self.find(account.name) is not None:
            raise InputError(f"account {account.name}: exists already, if only revoked; choose another name")
        values = (
            account.name,
            account.kind.value,
            account.role.value,
            account.controller,
            hashed(secret),
            _micros(account.created_at),
            _micros(account.expires_at),
        )
        with self._store.writing() as db:
            db.execute(_ADD, values)

    def set_secret(self, name: str, secret: str) -> None:
        """Give an account a new secret; whoever is logged in with the old one no longer is.

        Raises:
            NotFoundError: when there is no such account, or it is revoked.
        """
        value = hashed(secret)
        with self._store.writing() as db:
            changed = db.execute(
                "UPDATE account SET secret = ? WHERE name = ? AND revoked_at IS NULL", (value, name)
            ).rowcount
            db.execute("DELETE FROM session WHERE account = ?", (name,))
            db.execute("DELETE FROM failure WHERE subject = ? OR subject LIKE ? || '@%'", (name, name))
        if not changed:
            raise NotFoundError(f"account {name[:64]!r}: not here, or revoked")

    def revoke(self, name: str, at: datetime) -> None:
        """Let an account open nothing any more, from now on and for good.

        Raises:
            NotFoundError: when there is no such account, or it is revoked already.
        """
        with self._store.writing() as db:
            changed = db.execute(
                "UPDATE account SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL", (_micros(at), name)
            ).rowcount
            db.execute("DELETE FROM session WHERE account = ?", (name,))
        if not changed:
            raise NotFoundError(f"account {name[:64]!r}: not here, or revoked already")


def _account(row: tuple[object, ...]) -> Account:
    name, kind, role, controller, created, expires, revoked = row
    return Account(
        str(name),
        AccountKind(str(kind)),
        Role(str(role)),
        None if controller is None else str(controller),
        cast("datetime", _time(created)),
        _time(expires),
        _time(revoked),
    )


def _micros(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1_000_000)


def _time(micros: object) -> datetime | None:
    return None if micros is None else datetime.fromtimestamp(int(cast("int", micros)) / 1_000_000, UTC)
