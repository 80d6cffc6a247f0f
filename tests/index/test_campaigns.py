from datetime import date
from pathlib import Path

import pytest

from vaglio.errors import InputError
from vaglio.index import campaigns
from vaglio.index.imports import import_campaigns
from vaglio.index.reader import Reader
from vaglio.index.store import Store
from vaglio.model import CampaignMode, Controller, OnFailure, Purpose

CONTROLLER = '[[controller]]\nid = "acme"\nname = "Acme"\n'
CAMPAIGN = """[[campaign]]
id = "spring"
controller = "acme"
caller_org = "Call Centre"
purpose = "marketing"
sector = "telecom"
dial_mode = "preview"
region = "IT"
"""


def load(tmp_path: Path, text: str) -> campaigns.CampaignFile:
    """What a file with this text defines."""
    file = tmp_path / "campaigns.toml"
    file.write_text(text, encoding="utf-8")
    return campaigns.load(file)


def test_a_minimal_campaign_is_enforced_and_blocks_on_failure(tmp_path: Path) -> None:
    """Mode and failure policy default to the strict ones, and no caller id is allowed."""
    (campaign,) = load(tmp_path, CONTROLLER + CAMPAIGN).campaigns
    assert (campaign.mode, campaign.on_failure, campaign.caller_ids) == (
        CampaignMode.ENFORCE,
        OnFailure.BLOCK,
        (),
    )


def test_every_key_is_read(tmp_path: Path) -> None:
    """All keys of a campaign arrive, caller ids in E.164 or as short codes."""
    extra = (
        'caller_ids = ["+390612345678", "0212345678", "187"]\nstarts = 2026-01-01\nends = 2026-12-31\n'
        'script_version = "7"\nnotice_version = "3"\nmode = "monitor"\non_failure = "allow"\n'
        'accepted_risk = "signed by the board"\ntrunk_prefix = "9"\nfallback_jurisdiction = "it"\n'
    )
    content = load(tmp_path, "﻿" + (CONTROLLER + CAMPAIGN + extra).replace("\n", "\r\n"))
    (campaign,) = content.campaigns
    assert content.controllers == (Controller("acme", "Acme"),)
    assert campaign.caller_ids == ("+390612345678", "+390212345678", "187")
    assert (campaign.starts, campaign.ends) == (date(2026, 1, 1), date(2026, 12, 31))
    assert campaign.accepted_risk == "signed by the board"
    assert campaign.fallback_jurisdiction == "it"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CONTROLLER + CAMPAIGN + 'modus = "monitor"\n', r"campaign spring: modus: unknown key; known are id"),
        (CONTROLLER + 'color = "red"\n', r"controller acme: color: unknown key"),
        ("campains = 1\n", r"campains: unknown key; known are controller, campaign"),
        (CONTROLLER + CAMPAIGN.replace('region = "IT"\n', ""), r"campaign spring: region: missing"),
        (CONTROLLER + CAMPAIGN.replace('"IT"', '"QQ"'), r"campaign spring: region: expected two letters"),
        (CONTROLLER + CAMPAIGN.replace('"marketing"', '"sales"'), r"spring: purpose: expected 'marketing'"),
        (CONTROLLER + CAMPAIGN.replace('"spring"', '"../x"'), r"campaign \.\./x: id: "),
        (CAMPAIGN, r"campaign spring: controller 'acme' is not known"),
        (CONTROLLER + CONTROLLER, r"controller acme: stands there twice"),
        (CONTROLLER + CAMPAIGN + CAMPAIGN, r"campaign spring: stands there twice"),
        (CONTROLLER + CAMPAIGN + 'on_failure = "allow"\n', r"campaign spring: .*accepted_risk"),
        (CONTROLLER + CAMPAIGN + "starts = 2026-02-01\nends = 2026-01-01\n", r"campaign spring: ends"),
        (CONTROLLER + CAMPAIGN + 'caller_ids = ["+39123"]\n', r"caller_ids: …123 is no number"),
        ("[[campaign]\n", r"not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_whole_naming_the_key(tmp_path: Path, text: str, message: str) -> None:
    """One line names file, table, key and what was expected."""
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path, text)
    assert "campaigns.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_service_campaign_may_let_calls_out_without_an_accepted_risk(tmp_path: Path) -> None:
    """Only purposes other than service need a reason for `allow`."""
    text = CONTROLLER + CAMPAIGN.replace("marketing", "service") + 'on_failure = "allow"\n'
    (campaign,) = load(tmp_path, text).campaigns
    assert (campaign.purpose, campaign.on_failure) == (Purpose.SERVICE, OnFailure.ALLOW)


async def test_an_import_may_name_a_controller_known_already(store: Store, reader: Reader, tmp_path: Path) -> None:
    """A campaign file without controllers builds on those in the index; the same again changes nothing."""
    file = tmp_path / "more.toml"
    file.write_text(CAMPAIGN.replace("spring", "autumn"), encoding="utf-8")
    first = await import_campaigns(store, file, entry=5)
    again = await import_campaigns(store, file, entry=6)
    assert (first.new, again.new, again.unchanged) == (1, 0, 1)
    assert [campaign.id for campaign in reader.campaigns()] == ["autumn", "spring"]
