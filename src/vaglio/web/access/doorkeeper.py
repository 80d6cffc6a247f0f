"""Lets callers in: who shows the right secret becomes a `Caller`, who does not is told the least there is."""

import asyncio
import hashlib
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from vaglio.clock import Clock, now
from vaglio.web.access import lockout, sessions
from vaglio.web.access.accounts import Account, AccountKind, Accounts
from vaglio.web.access.caller import Caller
from vaglio.web.access.secrets import key_name, matches
from vaglio.web.access.store import AccessStore

_AT_ONCE: Final = 2
"""Hashes computed at the same time: each takes 64 MiB."""
_WAITING: Final = 32
"""Log-ins that may wait for one; beyond, they are refused."""
_REMEMBERED: Final = 1024


class RefusedError(Exception):
    """Nobody comes in with that; `retry_after` when it is because of too many tries."""

    def __init__(self, retry_after: timedelta | None = None) -> None:
        super().__init__()
        self.retry_after = retry_after


class Doorkeeper:
    """One process's door. Only hashes and writes leave the event loop."""

    def __init__(self, store: AccessStore, clock: Clock = now) -> None:
        self._store = store
        self._accounts = Accounts(store)
        self._clock = clock
        self._hashing = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._verified: OrderedDict[bytes, str] = OrderedDict()
        """SHA-256 of an API key → the Argon2 hash it matched, so that a program pays for it once."""

    async def by_key(self, key: str, address: str) -> Caller:
        """The caller an API key stands for.

        Raises:
            RefusedError: when it stands for nobody, or its address tried too often.
        """
        at = self._clock()
        name = key_name(key)
        found = self._accounts.find(name) if name else None
        digest = hashlib.sha256(key.encode()).digest()
        if found is not None and self._verified.get(digest) == found[1]:
            return self._valid(found[0], AccountKind.KEY, address, at, "api")
        if (left := lockout.locked_for(self._store, None, address, at)) is not None:
            raise RefusedError(left)
        if not await self._matches(key, found[1] if found else None) or found is None:
            await asyncio.to_thread(lockout.failed, self._store, None, address, at)
            raise RefusedError
        self._verified[digest] = found[1]
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return self._valid(found[0], AccountKind.KEY, address, at, "api")

    async def log_in(self, name: str, password: str, address: str) -> str:
        """Begin a session; the cookie's value.

        Raises:
            RefusedError: when name and password do not go together, or were tried too often.
        """
        at = self._clock()
        name = name[:64]
        if (left := lockout.locked_for(self._store, name, address, at)) is not None:
            raise RefusedError(left)
        found = self._accounts.find(name)
        fitting = await self._matches(password, found[1] if found else None)
        if not fitting or found is None or found[0].kind is not AccountKind.USER or not found[0].valid(at):
            await asyncio.to_thread(lockout.failed, self._store, name, address, at)
            raise RefusedError
        await asyncio.to_thread(lockout.succeeded, self._store, name, address)
        return await asyncio.to_thread(sessions.begin, self._store, name, at)

    async def by_cookie(self, cookie: str, address: str) -> Caller:
        """The caller a session's cookie stands for.

        Raises:
            RefusedError: when the session is over, or there is none.
        """
        at = self._clock()
        session = sessions.account_of(self._store, cookie, at)
        found = self._accounts.find(session[0]) if session else None
        if session is None or found is None:
            raise RefusedError
        caller = self._valid(found[0], AccountKind.USER, address, at, "console")
        if session[1]:
            await asyncio.to_thread(sessions.seen, self._store, cookie, at)
        return caller

    async def log_out(self, cookie: str) -> None:
        """End a session."""
        await asyncio.to_thread(sessions.end, self._store, cookie)

    async def _matches(self, secret: str, known: str | None) -> bool:
        if self._waiting >= _WAITING:
            raise RefusedError(timedelta(seconds=1))
        self._waiting += 1
        try:
            async with self._hashing:
                return await asyncio.to_thread(matches, secret, known)
        finally:
            self._waiting -= 1

    @staticmethod
    def _valid(account: Account, kind: AccountKind, address: str, at: datetime, via: str) -> Caller:
        if account.kind is not kind or not account.valid(at):
            raise RefusedError
        return Caller(account, address, via)
