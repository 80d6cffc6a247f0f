"""Campaigns uploaded by an account of one controller: its own are taken over, nothing of another is touched."""

import pytest
from starlette.types import ASGIApp

from tests.web.console.people import Person, person
from vaglio.audit import Reader
from vaglio.changes import Change
from vaglio.model import Campaign, Controller
from vaglio.web.access import Role
from vaglio.web.rooms import Rooms

BOREA = """
[[controller]]
id = "borea"
name = "{name}"
"""
CAMPAIGN = """
[[campaign]]
id = "{id}"
controller = "{controller}"
caller_org = "callright"
purpose = "service"
sector = "energy"
dial_mode = "preview"
region = "IT"
caller_ids = ["+390612345678"]
script_version = "1"
notice_version = "1"
"""
OWN = CAMPAIGN.format(id="luce-casa", controller="borea")


@pytest.fixture
async def manager(app: ASGIApp, rooms: Rooms) -> Person:
    """Of `borea`, which stands here beside the sample's `aurora`."""
    borea = Controller("borea", "Borea")
    await rooms.changes.make(
        Change.CAMPAIGNS,
        {},
        lambda entry: rooms.store.put_controllers_and_campaigns((borea,), (), entry=entry),
    )
    return person(app, rooms, Role.CAMPAIGN_MANAGER, "borea")


def standing(rooms: Rooms) -> tuple[tuple[Controller, ...], tuple[Campaign, ...], int]:
    """Controllers, campaigns, and how many changes the log tells of."""
    with Reader(rooms.site.log_file) as log:
        changes = sum(one.kind == "change-announced" for one in log.tail(1000))
    return tuple(rooms.index.controllers()), tuple(rooms.index.campaigns()), changes


async def sent(manager: Person, text: str) -> str:
    """What the page says that refuses the file."""
    answer = await manager.post("/campaigns/import", files={"file": ("c.toml", text.encode())})
    assert answer.status_code == 422, answer.text
    assert "renewals" not in answer.text
    return answer.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CAMPAIGN.format(id="new", controller="aurora"), "is not known"),
        (OWN + CAMPAIGN.format(id="new", controller="aurora"), "is not known"),
        (BOREA.format(name="Theirs").replace("borea", "aurora"), "this account changes borea alone"),
        (OWN + BOREA.format(name="Theirs").replace("borea", "aurora"), "this account changes borea alone"),
        (OWN + CAMPAIGN.format(id="outage-notice", controller="borea"), "the id is taken"),
        (BOREA.format(name="Fresh").replace("borea", "fresh"), "this account changes borea alone"),
    ],
)
async def test_a_file_that_touches_another_controller_changes_nothing(
    manager: Person, rooms: Rooms, text: str, said: str
) -> None:
    """A campaign for it, a campaign taken from it, its name, a new controller; beside lines of one's own too."""
    before = standing(rooms)
    assert said in await sent(manager, text)
    assert standing(rooms) == before


async def test_whether_another_controller_is_there_is_not_told(manager: Person) -> None:
    """The refusal reads the same for one that exists and one that does not."""
    told = [await sent(manager, CAMPAIGN.format(id="new", controller=one)) for one in ("aurora", "nobody")]
    assert told[0].replace("aurora", "nobody") == told[1]


async def test_its_own_campaign_is_taken_over(manager: Person, rooms: Rooms) -> None:
    """So that the refusals above are not for the file's form."""
    answer = await manager.post("/campaigns/import", files={"file": ("c.toml", OWN.encode())})
    assert answer.status_code == 303, answer.text
    assert rooms.index.campaign("luce-casa") is not None
