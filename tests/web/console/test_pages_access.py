"""Who may open which page, and that nothing of another controller is on it."""

import re
from collections.abc import Mapping

import httpx
import pytest

from lab.vaglio import Vaglio
from tests.web.console.conftest import LogIn, token_of
from tests.web.console.furnishing import OPPOSED
from vaglio.web.access import GRANTS, Permission, Role

PAGES: Mapping[str, Permission] = {
    "/number": Permission.CHECK,
    "/registers": Permission.REGISTERS_READ,
    "/campaigns": Permission.CAMPAIGNS_READ,
    "/campaigns/luce-casa": Permission.CAMPAIGNS_READ,
    "/rulebooks": Permission.RULES_READ,
    "/rulebooks/rules/IT-COC-02": Permission.RULES_READ,
    "/scrub": Permission.SCRUB,
    "/scrub/progress": Permission.SCRUB,
}
FORMS: Mapping[str, tuple[Permission, Mapping[str, str]]] = {
    "/number": (Permission.CHECK, {"number": OPPOSED}),
    "/number/oppose": (Permission.FACTS_WRITE, {"number": OPPOSED, "controller": "borea"}),
    "/number/withdraw": (Permission.FACTS_WRITE, {"number": OPPOSED, "fact": "borea marketing"}),
    "/number/lift": (Permission.FACTS_WRITE, {"number": OPPOSED, "fact": "borea *"}),
    "/number/report": (Permission.SUBJECT_REPORT, {"number": OPPOSED}),
    "/campaigns/import": (Permission.CAMPAIGNS_WRITE, {"file": ""}),
    "/rulebooks": (Permission.RULES_READ, {"book": "it"}),
    "/scrub/list": (Permission.SCRUB, {"campaign": "renewals"}),
    "/scrub/remove": (Permission.SCRUB, {"job": ""}),
}
AURORA = ("aurora", "Aurora", "renewals", "fibre-offer", "offerta-fibra", "outage-notice")
"""All that would tell of the other controller."""


@pytest.mark.parametrize("role", list(Role))
def test_a_page_opens_to_the_roles_that_are_granted_it(log_in: LogIn, role: Role) -> None:
    """Every role against every page and form: 403 where the table of grants says no, never where it says yes."""
    client = log_in(role)
    token = token_of(client)
    for path, permission in PAGES.items():
        assert (client.get(path).status_code == 403) == (permission not in GRANTS[role]), path
    for path, (permission, fields) in FORMS.items():
        answer = client.post(path, data={**fields, "token": token})
        assert (answer.status_code == 403) == (permission not in GRANTS[role]), path
        assert answer.status_code < 500, path


def test_nobody_comes_to_a_page_without_a_session(origin: str) -> None:
    """A browser is led to the log-in page."""
    with httpx.Client(base_url=origin, headers={"accept": "text/html"}) as client:
        for path in PAGES:
            answer = client.get(path)
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/log-in"), path


@pytest.mark.parametrize("path", list(FORMS))
def test_a_form_needs_its_token(log_in: LogIn, path: str) -> None:
    """What another site sends with the person's cookie is refused."""
    permission, fields = FORMS[path]
    role = next(role for role in Role if permission in GRANTS[role])
    client = log_in(role)
    assert client.post(path, data=fields).status_code == 403
    headers = {"sec-fetch-site": "cross-site"}
    assert client.post(path, data={**fields, "token": token_of(client)}, headers=headers).status_code == 403


def test_a_principals_auditor_sees_nothing_of_another(furnished: Vaglio, log_in: LogIn) -> None:
    """Not its campaigns, its registers' answers, its facts or its decisions; its own are there."""
    furnished.run("opposition", "add", OPPOSED, "--controller", "borea", "--evidence", "ticket-of-borea")
    client = log_in(Role.PRINCIPAL_AUDITOR)
    token = token_of(client)
    shown = [client.get(path).text for path in PAGES if PAGES[path] in GRANTS[Role.PRINCIPAL_AUDITOR]]
    shown.append(client.post("/number", data={"number": OPPOSED, "token": token}).text)
    shown.append(client.post("/number", data={"number": OPPOSED, "campaign": "luce-casa", "token": token}).text)
    for page in shown:
        assert not [word for word in AURORA if word in page]
    assert "ticket-of-borea" in shown[-1]
    assert "luce-casa" in client.get("/campaigns").text


@pytest.mark.parametrize("campaign", ["renewals", "no-such-campaign"])
def test_another_principals_campaign_is_not_there(log_in: LogIn, campaign: str) -> None:
    """It answers as one that does not exist."""
    client = log_in(Role.PRINCIPAL_AUDITOR)
    assert client.get(f"/campaigns/{campaign}").status_code == 404
    asked = {"number": OPPOSED, "campaign": campaign, "token": token_of(client)}
    assert client.post("/number", data=asked).status_code == 404


def test_a_search_by_number_is_entered_before_it_is_answered(furnished: Vaglio, log_in: LogIn) -> None:
    """By whom and by which door; a role that may not search makes no entry and sees no decisions."""
    before = len(furnished.entries("access"))
    client = log_in(Role.AUDITOR)
    page = client.post("/number", data={"number": OPPOSED, "token": token_of(client)}).text
    entries = furnished.entries("access")[before:]
    assert [(one["access"], one["by"], one["via"]) for one in entries] == [("search", "auditor", "console")]
    assert entries[0]["number"]["last3"] == OPPOSED[-3:]
    assert 'id="decided"' in page
    clerk = log_in(Role.DATA_ENTRY)
    page = clerk.post("/number", data={"number": OPPOSED, "token": token_of(clerk)}).text
    assert len(furnished.entries("access")) == before + 1
    assert 'id="decided"' not in page
    assert 'id="held"' in page


def test_a_number_never_stands_in_an_address(log_in: LogIn) -> None:
    """No page links, redirects or sends a form by GET with one."""
    client = log_in(Role.DATA_PROTECTION_OFFICER)
    page = client.post("/number", data={"number": OPPOSED, "token": token_of(client)}).text
    addresses = re.findall(r'(?:href|action|src)="([^"]*)"', page)
    assert addresses
    assert not [one for one in addresses if OPPOSED[3:] in one]
    assert "get" not in re.findall(r'<form method="(\w+)"', page)
