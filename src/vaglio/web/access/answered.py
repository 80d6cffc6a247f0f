"""Idempotency: the same request under the same key is answered once, and its answer given again.

A key is claimed, with the time of the request, before anything is done. Whoever stops between claim and answer
leaves the claim: the same request then does its work again *with that time*, and since the same fact again changes
nothing, it is made once all the same. Neither key nor request is kept, only a keyed hash of each.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from weakref import WeakValueDictionary

from vaglio.audit import Keys
from vaglio.clock import Clock, now
from vaglio.errors import InputError
from vaglio.web.access.store import AccessStore

KEPT: Final = timedelta(hours=24)
_MOST: Final = 100_000
"""Answers kept; with more, the oldest are forgotten."""
_BEGUN: Final = 0
"""In place of a status: claimed, and not answered yet."""
_FORGET_OLD: Final = "DELETE FROM answered WHERE at < ?"
_FORGET_MANY: Final = """
DELETE FROM answered WHERE at <= (SELECT at FROM answered ORDER BY at DESC LIMIT 1 OFFSET ?)"""
_CLAIM: Final = (
    "INSERT OR IGNORE INTO answered (account, key, request, status, answer, at) VALUES (?, ?, ?, 0, x'', ?)"
)
_FIND: Final = "SELECT request, status, answer, at FROM answered WHERE account = ? AND key = ?"
_ANSWER: Final = "UPDATE answered SET status = ?, answer = ? WHERE account = ? AND key = ?"
_RELEASE: Final = "DELETE FROM answered WHERE account = ? AND key = ? AND status = 0"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer; the body holds no number in clear."""

    status: int
    body: bytes


class KeyReusedError(Exception):
    """The key was used for another request."""


class Answered:
    """The answers of one process; safe beside other processes, for the work may be done twice."""

    def __init__(self, store: AccessStore, keys: Keys, clock: Clock = now) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._under_way: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def once(
        self, account: str, key: str, request: bytes, work: Callable[[datetime], Awaitable[Answer]]
    ) -> Answer:
        """The answer to a request, made by `work` at its first coming; a second one at the same time waits for it.

        `work` gets the time of the first coming. When it raises InputError nothing was done, and the key is free
        again.

        Raises:
            KeyReusedError: when the key stands for another request.
        """
        place = (account, self._keys.disguised("idempotency-key", key.encode()).hex())
        asked = self._keys.disguised("request", request)
        lock = self._under_way.setdefault(place, asyncio.Lock())
        async with lock:
            known, status, body, at = await asyncio.to_thread(self._claimed, place, asked)
            if known != asked:
                raise KeyReusedError
            if status != _BEGUN:
                return Answer(status, body)
            try:
                answer = await work(datetime.fromtimestamp(at / 1_000_000, UTC))
            except InputError:
                await asyncio.to_thread(self._write, _RELEASE, place)
                raise
            await asyncio.to_thread(self._write, _ANSWER, (answer.status, answer.body, *place))
            return answer

    def _claimed(self, place: tuple[str, str], asked: bytes) -> tuple[bytes, int, bytes, int]:
        at = int(self._clock().timestamp() * 1_000_000)
        with self._store.writing() as db:
            db.execute(_FORGET_OLD, (at - int(KEPT.total_seconds() * 1_000_000),))
            db.execute(_FORGET_MANY, (_MOST,))
            db.execute(_CLAIM, (*place, asked, at))
            row = db.execute(_FIND, place).fetchone()
        return cast("tuple[bytes, int, bytes, int]", row)

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        with self._store.writing() as db:
            db.execute(statement, values)
