"""The PBX asked: one login with the doctor's own account, every question once, nothing changed.

What the account may not ask is told as such, never taken for a good answer.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from vaglio.errors import VaglioError
from vaglio.pbx.ami import Account
from vaglio.pbx.amiwire import AmiError, Wire
from vaglio.pbx.doctor.dialplan import MAX_STEPS, Dialplan, read
from vaglio.pbx.doctor.examination import variables_in

MODULES: Final = (
    "app_dial",
    "app_stack",
    "app_originate",
    "app_softhangup",
    "func_channel",
    "func_db",
    "func_dialplan",
    "func_env",
    "func_global",
    "func_lock",
    "func_math",
    "func_strings",
    "func_timeout",
    "res_agi",
)
"""What the shipped dialplan needs."""
GLOBALS: Final = ("VAGLIO_ADDRESS", "VAGLIO_STANDBY", "VAGLIO_SECRET", "VAGLIO_POLICY_DIR", "VAGLIO_SIP_HEADER")

_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0
_LIST_SECONDS: Final = 60.0
_MOST_ENDPOINTS: Final = 500
_MOST_VARIABLES: Final = 64
_NOW: Final = "STRFTIME(,,%s.%3q)"

Headers = Mapping[str, str]
_Raw = Mapping[str, str | list[str]]


class RefusedError(VaglioError):
    """The PBX understands the question and does not answer it to this account."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the PBX said; an answer it refused is None, and `refused` says why."""

    version: str = ""
    started: str = ""
    dialplan: Dialplan | None = None
    endpoints: Mapping[str, str] | None = None
    """Endpoint → its outbound authentication; without chan_pjsip none."""
    entrances: frozenset[str] = frozenset()
    """Contexts in which calls from endpoints begin."""
    unseen_endpoints: int = 0
    """Endpoints whose context was not asked for: there are too many."""
    missing_modules: tuple[str, ...] = ()
    clock_ahead: float | None = None
    """Seconds the PBX's clock is ahead of this host's."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Global variables: Vaglio's, and those calls are dialled through."""
    manager: Mapping[str, Mapping[str, str]] | None = field(default=None, repr=False)
    """manager.conf: category → key → value, without secrets."""
    refused: tuple[str, ...] = ()


async def ask(account: Account) -> Answers:
    """Log in, ask everything, log off.

    Raises:
        AmiError: no connection, no login, or the connection went.
    """
    async with logged_in(account) as session:
        return await session.everything()


@asynccontextmanager
async def logged_in(account: Account) -> AsyncIterator["Session"]:
    """One login; logged off in the end.

    Raises:
        AmiError: no connection, no login, or the connection went.
    """
    events: list[_Raw] = []
    wire = Wire(lambda event: events.append(event) if len(events) < MAX_STEPS else None)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await asyncio.get_running_loop().create_connection(
                lambda: wire, account.host, account.port, ssl=account.tls
            )
    except TimeoutError as error:
        raise AmiError(f"no connection within {_CONNECT_SECONDS:g} s") from error
    except OSError as error:
        raise AmiError(f"no connection ({error.strerror or type(error).__name__})") from error
    try:
        session = Session(wire, events)
        try:
            await session.one("Login", Username=account.username, Secret=account.secret, Events="off")
        except RefusedError as error:
            raise AmiError(f"login as {account.username!r} refused") from error
        yield session
    finally:
        wire.end("asked everything")


@dataclass
class Session:
    """A login that asks one question after the other."""

    wire: Wire
    events: list[_Raw]
    refused: list[str] = field(default_factory=list)

    async def one(self, action: str, **headers: str) -> Mapping[str, Any]:
        """The answer to an action.

        Raises:
            RefusedError: it was understood and not done; its text tells the PBX's.
            AmiError: the connection went.
        """
        answer: Mapping[str, Any] = await self.wire.ask({"Action": action, **headers}, _ANSWER_SECONDS)
        if answer.get("Response") != "Success":
            raise RefusedError(f"{action}: {str(answer.get('Message', ''))[:80]}")
        return answer

    async def many(self, action: str, **headers: str) -> list[Headers]:
        """The events that answer an action, its last one left out."""
        self.events.clear()
        answer = await self.one(action, **headers)
        name = str(answer.get("ActionID", ""))
        until = time.monotonic() + _LIST_SECONDS
        while not (self.events and str(self.events[-1].get("Event", "")).endswith("Complete")):
            if self.wire.lost.done():
                raise AmiError(self.wire.lost.result())
            if time.monotonic() > until or len(self.events) >= MAX_STEPS:
                raise AmiError(f"{action}: the answer does not end")
            await asyncio.sleep(0.01)
        found: list[Headers] = [_plain(event) for event in self.events[:-1] if event.get("ActionID", name) == name]
        self.events.clear()
        return found

    async def may_hang_up(self, channel: str) -> None:
        """End a channel, if it is still there."""
        with suppress(RefusedError):
            await self.one("Hangup", Channel=channel)

    async def everything(self) -> Answers:
        """Every question once."""
        settings = await self._may("CoreSettings") or {}
        status = await self._may("CoreStatus") or {}
        dialplan = await self._dialplan()
        endpoints, entrances, unseen = await self._endpoints()
        names = [*GLOBALS, *(variables_in(dialplan)[:_MOST_VARIABLES] if dialplan else ())]
        return Answers(
            version=str(settings.get("AsteriskVersion", "")),
            started=f"{status.get('CoreStartupDate', '')} {status.get('CoreStartupTime', '')}".strip(),
            dialplan=dialplan,
            endpoints=endpoints,
            entrances=entrances,
            unseen_endpoints=unseen,
            missing_modules=await self._missing(),
            clock_ahead=await self._clock(),
            variables={name: value for name in names if (value := await self._variable(name))},
            manager=await self._manager(),
            refused=tuple(dict.fromkeys(self.refused)),
        )

    async def _may(self, action: str, **headers: str) -> Mapping[str, Any] | None:
        try:
            return await self.one(action, **headers)
        except RefusedError as error:
            self.refused.append(str(error))
            return None

    async def _dialplan(self) -> Dialplan | None:
        try:
            return read(await self.many("ShowDialPlan"))
        except RefusedError as error:
            self.refused.append(str(error))
            return None

    async def _endpoints(self) -> tuple[dict[str, str] | None, frozenset[str], int]:
        try:
            listed = await self.many("PJSIPShowEndpoints")
        except RefusedError as error:
            if "ermission" not in str(error):
                # There is no endpoint, or no chan_pjsip.
                return {}, frozenset(), 0
            self.refused.append(str(error))
            return None, frozenset(), 0
        found = {one["ObjectName"]: one.get("OutboundAuths", "") for one in listed if one.get("ObjectName")}
        contexts: set[str] = set()
        for name in list(found)[:_MOST_ENDPOINTS]:
            try:
                details = await self.many("PJSIPShowEndpoint", Endpoint=name)
            except RefusedError:
                continue  # gone since it was listed
            contexts |= {one["Context"] for one in details if one.get("Event") == "EndpointDetail"}
        return found, frozenset(contexts), max(0, len(found) - _MOST_ENDPOINTS)

    async def _missing(self) -> tuple[str, ...]:
        missing = []
        for name in MODULES:
            try:
                await self.one("ModuleCheck", Module=f"{name}.so")
            except RefusedError as error:
                if "ermission" in str(error):
                    self.refused.append(str(error))
                    return ()
                missing.append(name)
        return tuple(missing)

    async def _clock(self) -> float | None:
        before = time.time()
        answer = await self._may("Getvar", Variable=_NOW)
        try:
            there = float(str((answer or {}).get("Value", "")))
        except ValueError:
            return None
        return there - (before + time.time()) / 2

    async def _variable(self, name: str) -> str:
        try:
            return str((await self.one("Getvar", Variable=name)).get("Value", ""))
        except RefusedError as error:
            if "ermission" in str(error):
                self.refused.append(str(error))
            return ""

    async def _manager(self) -> dict[str, dict[str, str]] | None:
        answer = await self._may("GetConfig", Filename="manager.conf")
        if answer is None:
            return None
        names: dict[str, str] = {}
        found: dict[str, dict[str, str]] = {}
        for header, value in answer.items():
            kind, _, place = header.lower().partition("-")
            if kind == "category":
                names[place] = str(value)
                found.setdefault(str(value), {})
        for header, value in answer.items():
            kind, _, place = header.lower().partition("-")
            key, _, text = str(value).partition("=")
            category = names.get(place.partition("-")[0])
            if kind == "line" and category is not None and key != "secret":
                found[category][key] = text
        return found


def _plain(event: _Raw) -> dict[str, str]:
    """Each header's first value."""
    return {name: value if isinstance(value, str) else value[0] for name, value in event.items()}
