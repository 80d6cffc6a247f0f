"""The frame in a real browser: coming in, going out, language, colours, a phone."""

import pytest
from playwright.sync_api import expect

from tests.web.console.conftest import PHONE, Open, assert_accessible, assert_fits, keep_picture
from tests.web.console.furnishing import ACCOUNTS, PASSWORD
from vaglio.web.access import Role

pytestmark = pytest.mark.timeout(300)  # a browser, on whatever machine


def test_a_person_logs_in_and_out(open_as: Open) -> None:
    """The page first asked for comes after the log-in; after the log-out nothing is shown any more."""
    page = open_as(None)
    page.goto("/account")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.get_by_label("Name", exact=True).fill(ACCOUNTS[Role.AUDITOR])
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not go together")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto("/account")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "title"), [("en", "Log in"), ("it-IT", "Accedi"), ("fr-CA", "Connexion"), ("de", "Log in")]
)
def test_the_browsers_language_is_spoken(open_as: Open, language: str, title: str) -> None:
    """English where the console does not speak it."""
    page = open_as(None, language=language)
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def test_a_chosen_look_is_kept(open_as: Open) -> None:
    """Language, colours and zone, on this browser, without any script."""
    page = open_as(Role.AUDITOR)
    page.goto("/account")
    page.get_by_label("Language").select_option("fr")
    page.get_by_label("Colours").select_option("dark")
    page.get_by_label("Time zone").select_option("Europe/Paris")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Votre compte")
    assert page.locator("html").get_attribute("lang") == "fr"
    assert page.locator("html").get_attribute("data-theme") == "dark"
    expect(page.locator("footer")).to_contain_text("heures en Europe/Paris")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/log-in", "/account", "/not-a-page"])
def test_the_frame_is_accessible(open_as: Open, path: str, scheme: str) -> None:
    """At the door, inside and where nothing is; on a phone it fits."""
    page = open_as(None if path == "/log-in" else Role.DATA_PROTECTION_OFFICER, scheme=scheme)
    page.goto(path)
    assert_accessible(page)
    keep_picture(page, f"frame{path.replace('/', '-')}-{scheme}")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert_fits(page)
    page.set_viewport_size({"width": 360, "height": 700})
    assert_fits(page)
    assert_accessible(page)
    keep_picture(page, f"frame{path.replace('/', '-')}-{scheme}-phone")


def test_the_menu_of_a_phone_opens_without_script(open_as: Open) -> None:
    """By a link to it; the page can be closed in the same way, and the keyboard reaches the content at once."""
    page = open_as(Role.AUDITOR, size=PHONE)
    page.goto("/account")
    expect(page.get_by_role("navigation")).to_be_hidden()
    page.get_by_role("link", name="Menu", exact=True).click()
    expect(page.get_by_role("link", name="Checkpoints")).to_be_visible()
    page.get_by_role("link", name="Close the menu").click()
    expect(page.get_by_role("navigation")).to_be_hidden()
    page.keyboard.press("Tab")
    page.goto("/account")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
