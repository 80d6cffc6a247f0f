"""Accounts, keys, sessions and lock-out, with a clock that the test turns."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vaglio.errors import InputError, NotFoundError, StoreError
from vaglio.web.access import GRANTS, Account, AccountKind, Accounts, Permission, Role, secrets, sessions
from vaglio.web.access.doorkeeper import Doorkeeper, RefusedError
from vaglio.web.access.store import AccessStore

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def turn(self, by: timedelta) -> None:
        self.at += by


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AccessStore]:
    with closing(AccessStore(tmp_path / "accounts.db")) as one:
        yield one


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(store: AccessStore, clock: Clock) -> Doorkeeper:
    return Doorkeeper(store, clock)


def user(name: str, **changed: object) -> Account:
    values: dict[str, object] = {
        "kind": AccountKind.USER,
        "role": Role.AUDITOR,
        "controller": None,
        "created_at": START,
        "expires_at": None,
        "revoked_at": None,
    }
    return Account(name, **values | changed)  # type: ignore[arg-type]


@pytest.fixture
def anna(store: AccessStore) -> str:
    """The password of an account called anna."""
    Accounts(store).add(user("anna"), "correct horse battery")
    return "correct horse battery"


@pytest.fixture
def crm(store: AccessStore) -> str:
    """The API key of an account called crm."""
    key = secrets.new_key("crm")
    Accounts(store).add(user("crm", kind=AccountKind.KEY, role=Role.DATA_ENTRY), key)
    return key


async def tries(door: Doorkeeper, count: int, name: str, address: str) -> None:
    for _ in range(count):
        with pytest.raises(RefusedError):
            await door.log_in(name, "wrong", address)


async def test_the_right_password_begins_a_session(door: Doorkeeper, anna: str) -> None:
    """The cookie then stands for the account, until it logs out."""
    cookie = await door.log_in("anna", anna, HERE)
    assert (await door.by_cookie(cookie, HERE)).name == "anna"
    await door.log_out(cookie)
    with pytest.raises(RefusedError):
        await door.by_cookie(cookie, HERE)


async def test_no_secret_stands_in_the_file(door: Doorkeeper, anna: str, crm: str, store: AccessStore) -> None:
    """Whoever steals accounts.db has neither passwords, keys nor cookies."""
    cookie = await door.log_in("anna", anna, HERE)
    await door.by_key(crm, HERE)
    files = [store.path, *store.path.parent.glob("accounts.db-*")]
    content = b"".join(file.read_bytes() for file in files)
    for secret in (anna, crm.rpartition(".")[2], cookie):
        assert secret.encode() not in content
    assert b"$argon2id$" in content
    assert store.path.stat().st_mode & 0o777 == 0o600


async def test_a_session_unused_for_half_an_hour_is_over(door: Doorkeeper, anna: str, clock: Clock) -> None:
    """Use prolongs it, up to twelve hours."""
    cookie = await door.log_in("anna", anna, HERE)
    for _ in range(24):
        clock.turn(timedelta(minutes=29))
        await door.by_cookie(cookie, HERE)
    clock.turn(timedelta(minutes=25))
    with pytest.raises(RefusedError):
        await door.by_cookie(cookie, HERE)
    cookie = await door.log_in("anna", anna, HERE)
    clock.turn(timedelta(minutes=31))
    with pytest.raises(RefusedError):
        await door.by_cookie(cookie, HERE)


async def test_five_wrong_passwords_lock_the_account_there(door: Doorkeeper, anna: str, clock: Clock) -> None:
    """From elsewhere the right one still opens, and after a quarter of an hour there too."""
    await tries(door, 5, "anna", HERE)
    with pytest.raises(RefusedError) as refused:
        await door.log_in("anna", anna, HERE)
    assert refused.value.retry_after is not None
    assert await door.log_in("anna", anna, ELSEWHERE)
    clock.turn(timedelta(minutes=16))
    assert await door.log_in("anna", anna, HERE)


async def test_failures_long_ago_do_not_lock(door: Doorkeeper, anna: str, clock: Clock) -> None:
    """Only those of the last quarter of an hour count."""
    await tries(door, 4, "anna", HERE)
    clock.turn(timedelta(minutes=16))
    await tries(door, 4, "anna", HERE)
    assert await door.log_in("anna", anna, HERE)


async def test_an_unknown_name_is_refused_like_a_wrong_password(door: Doorkeeper, anna: str) -> None:
    """Nothing tells which names exist, and both are locked alike."""
    assert anna
    await tries(door, 5, "nobody", HERE)
    with pytest.raises(RefusedError) as refused:
        await door.log_in("nobody", "x", HERE)
    assert refused.value.retry_after is not None


async def test_a_key_opens_until_it_is_revoked(door: Doorkeeper, crm: str, store: AccessStore) -> None:
    """From the next request on it opens nothing, although this process has verified it before."""
    assert (await door.by_key(crm, HERE)).account.role is Role.DATA_ENTRY
    assert (await door.by_key(crm, HERE)).name == "crm"
    Accounts(store).revoke("crm", START)
    with pytest.raises(RefusedError):
        await door.by_key(crm, HERE)


async def test_a_key_expires(door: Doorkeeper, clock: Clock, store: AccessStore) -> None:
    """At its last instant it opens nothing any more."""
    key = secrets.new_key("brief")
    account = user("brief", kind=AccountKind.KEY, expires_at=START + timedelta(days=1))
    Accounts(store).add(account, key)
    assert await door.by_key(key, HERE)
    clock.turn(timedelta(days=1))
    with pytest.raises(RefusedError):
        await door.by_key(key, HERE)


async def test_wrong_keys_lock_their_address_and_nobody_else(door: Doorkeeper, crm: str) -> None:
    """A stranger cannot keep a CRM from recording oppositions."""
    for _ in range(20):
        with pytest.raises(RefusedError):
            await door.by_key(secrets.new_key("crm"), ELSEWHERE)
    with pytest.raises(RefusedError) as refused:
        await door.by_key(secrets.new_key("crm"), ELSEWHERE)
    assert refused.value.retry_after is not None
    assert await door.by_key(crm, HERE)


async def test_a_key_is_no_password_and_a_password_no_key(door: Doorkeeper, anna: str, crm: str) -> None:
    """Each opens its own door alone."""
    with pytest.raises(RefusedError):
        await door.log_in("crm", crm, HERE)
    with pytest.raises(RefusedError):
        await door.by_key(f"vgl_anna.{anna}", HERE)


async def test_a_new_password_ends_sessions(door: Doorkeeper, anna: str, store: AccessStore) -> None:
    """Whoever had the old one is out."""
    cookie = await door.log_in("anna", anna, HERE)
    Accounts(store).set_secret("anna", "another long password")
    with pytest.raises(RefusedError):
        await door.by_cookie(cookie, HERE)
    assert await door.log_in("anna", "another long password", HERE)


def test_a_form_token_belongs_to_its_session() -> None:
    """Another session's form is not taken."""
    assert sessions.is_form_token("a", sessions.form_token("a"))
    assert not sessions.is_form_token("a", sessions.form_token("b"))
    assert not sessions.is_form_token("a", "è")


@pytest.mark.parametrize(
    ("account", "says"),
    [
        (user("../x"), "expected letters"),
        (user("a" * 65), "expected letters"),
        (user("p", role=Role.PRINCIPAL_AUDITOR), "needs --controller"),
    ],
)
def test_an_account_that_cannot_be_is_refused(store: AccessStore, account: Account, says: str) -> None:
    """One line tells why."""
    with pytest.raises(InputError, match=says):
        Accounts(store).add(account, "correct horse battery")


def test_a_revoked_name_is_never_given_again(store: AccessStore, anna: str) -> None:
    """So the log's `by` always means the same."""
    assert anna
    accounts = Accounts(store)
    accounts.revoke("anna", START)
    with pytest.raises(InputError, match="exists already"):
        accounts.add(user("anna"), "correct horse battery")
    with pytest.raises(NotFoundError):
        accounts.revoke("anna", START)
    with pytest.raises(NotFoundError):
        accounts.set_secret("anna", "correct horse battery")


def test_another_file_is_not_taken_for_accounts(tmp_path: Path) -> None:
    """The line says what to correct."""
    file = tmp_path / "accounts.db"
    file.write_bytes(b"x" * 5000)
    with pytest.raises(StoreError, match=r"accounts\.db"):
        AccessStore(file)


def test_only_one_role_unseals() -> None:
    """The data-protection officer alone sees a number in clear, and no role makes accounts here."""
    assert {role for role, grants in GRANTS.items() if Permission.UNSEAL in grants} == {
        Role.DATA_PROTECTION_OFFICER
    }
    assert set(GRANTS) == set(Role)
