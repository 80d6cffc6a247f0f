"""A site adds rules and tightens them; to loosen one takes a reason, which is reported."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.rules.case_files import question
from vaglio.errors import InputError
from vaglio.rules import Rule, load
from vaglio.rules.tighten import looser

Change = Callable[[str], Path]
AT = datetime(2026, 5, 20, 10, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Change:
    def written(text: str) -> Path:
        file = tmp_path / "site.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return written


def change(rule: str, text: str, override: str = "") -> str:
    reason = f'override = "{override}"\n' if override else ""
    return f'[[change]]\nrule = "{rule}"\n{reason}{text}\n'


TIGHTER = [
    ("IT-RPO-05", "params = { max_age_days = 10 }"),
    ("IT-RPO-05", "params = { consent_beats_opposed = false }"),
    ("IT-RPO-05", 'unless = ["customer"]'),
    ("IT-COC-06", "valid_from = 2024-01-01"),
    ("IT-COC-06", 'when = { purposes = ["marketing", "direct-sale", "market-research"] }'),
    ("IT-COC-04", 'params = { regime = "opt-in" }'),
    ("IT-RPO-03", "params = { days_after_end = 20 }"),
    ("IT-RPO-03", "enabled = false"),
    ("IT-RPO-03", "valid_to = 2026-01-01"),
    ("IT-RPO-03", 'when = { purposes = ["marketing"] }'),
    ("IT-RPO-04", 'params = { spent_by = ["answered", "refused", "unknown", "busy"] }'),
    ("FR-FRQ-01", "params = { max_attempts = 3 }"),
    ("FR-FRQ-01", "params = { days = 60 }"),
    ("FR-FRQ-02", "params = { days = 90 }"),
    ("FR-HRS-01", 'params = { weekdays = ["10:00-12:00", "14:30-18:00"] }'),
    ("FR-HRS-01", "params = { extra_holidays = [2026-12-24] }"),
    ("FR-HRS-01", "params = { weekdays = [] }"),
    ("FR-REG-01", "valid_to = 2030-01-01"),
    ("FR-REG-01", "valid_to = 2026-08-10"),
    ("CA-HRS-01", 'params = { holiday = [], calendar = "CA" }'),
    ("CA-HRS-01", 'params = { eve = ["09:00-12:00"], calendar = "CA" }'),
    ("IT-MUTE-04", 'params = { agent_modes = ["manual"] }'),
    ("ALL-CONSENT", "params = { max_age_days = 1000, proof_required = true }"),
    ("ALL-CLI", 'params = { required_prefixes = ["+39"], forbidden_prefixes = ["+3906"] }'),
]

LOOSER = [
    ("IT-RPO-05", "enabled = false", "enabled"),
    ("IT-RPO-05", "params = { max_age_days = 16 }", "params.max_age_days"),
    ("IT-RPO-05", 'when = { purposes = ["marketing"] }', "when.purposes"),
    ("IT-RPO-05", 'when = { not_sectors = ["energy"] }', "when.not_sectors"),
    ("IT-COC-04", 'params = { regime = "opt-out" }', "params.regime"),
    ("IT-COC-06", "valid_from = 2027-01-01", "valid_from"),
    ("IT-COC-06", "valid_to = 2027-01-01", "valid_to"),
    ("FR-REG-01", "valid_to = 2026-08-01", "valid_to"),
    ("IT-COC-06", "params = { notice = false }", "params.notice"),
    ("IT-RPO-02", "params = { simplified_revocation = false }", "params.simplified_revocation"),
    ("IT-RPO-03", "params = { days_after_end = 60 }", "params.days_after_end"),
    ("IT-RPO-03", "valid_from = 2020-01-01", "valid_from"),
    (
        "IT-RPO-03",
        'when = { purposes = ["marketing", "direct-sale", "market-research", "service"] }',
        "when.purposes",
    ),
    ("IT-RPO-04", "params = { spent_by = [] }", "params.spent_by"),
    ("IT-RPO-09", 'params = { voided_by = "other" }', "params.voided_by"),
    ("FR-FRQ-01", "params = { max_attempts = 5 }", "params.max_attempts"),
    ("FR-FRQ-01", "params = { days = 20 }", "params.days"),
    ("FR-FRQ-02", "params = { days = 59 }", "params.days"),
    ("FR-HRS-01", 'params = { saturday = ["10:00-13:00"] }', "params.saturday"),
    ("FR-HRS-01", 'params = { weekdays = ["09:00-13:00", "14:00-20:00"] }', "params.weekdays"),
    ("FR-HRS-01", 'params = { weekdays = ["10:00-20:00"] }', "params.weekdays"),
    ("FR-HRS-01", 'params = { holiday = ["10:00-11:00"] }', "params.holiday"),
    ("FR-HRS-01", 'params = { zone = "Europe/Paris" }', "params.zone"),
    ("FR-HRS-01", 'params = { calendar = "DE" }', "params.calendar"),
    ("FR-BAN-01", 'unless = ["customer", "consent"]', "unless"),
    ("FR-BAN-01", "params = { same_sector = false }", "params.same_sector"),
    ("FR-CTR-01", 'params = { sector = "any" }', "params.sector"),
    ("ALL-CLI", "params = { declared = false }", "params.declared"),
    ("ALL-OPPOSITION", "enabled = false", "enabled"),
]


@pytest.mark.parametrize(("rule", "text"), TIGHTER)
def test_tightening_needs_no_reason(site: Change, rule: str, text: str) -> None:
    """A change that can only block more is taken as it is."""
    assert load(site(change(rule, text))).overrides == ()


@pytest.mark.parametrize(("rule", "text", "key"), LOOSER)
def test_loosening_takes_a_reason(site: Change, rule: str, text: str, key: str) -> None:
    """A change that may block less is refused, unless it says why; then it is reported with its key."""
    with pytest.raises(InputError, match=rf"site\.toml: change {rule}: key {key}: looser"):
        load(site(change(rule, text)))
    overrides = load(site(change(rule, text, "advice of 3 May"))).overrides
    assert [(one.rule, one.reason) for one in overrides] == [(rule, "advice of 3 May")]
    assert key in overrides[0].keys


def test_an_editable_default_can_be_loosened(site: Change) -> None:
    """A rule that is not confirmed may be loosened without a reason; it is reported all the same."""
    overrides = load(site(change("IT-COC-16", "enabled = false"))).overrides
    assert [one.rule for one in overrides] == ["IT-COC-16"]


def test_a_rule_that_is_off_can_be_turned_on(site: Change) -> None:
    """The optional gap of 30 days between attempts binds once a site turns it on."""
    table = {
        "number": "+393331234567",
        "at": AT,
        "campaign": {"region": "IT", "caller_ids": ["+390612345678"]},
        "consents": [{"given_at": AT - timedelta(days=40)}],
        "registers": {"rpo": {"state": "clear", "as_of": AT - timedelta(days=1)}},
        "attempts": [{"at": AT - timedelta(days=20)}],
    }
    assert load().evaluate(*question(table)).reason == "CONSENT"
    on = load(site(change("IT-COC-14", "enabled = true")))
    assert on.overrides == ()
    assert on.evaluate(*question(table)).reason == "FREQUENCY_CAP"


def test_own_holidays(site: Change) -> None:
    """A day that a site adds is a public holiday of its country, and the day before it an eve."""
    loaded = load(site('[[holiday]]\njurisdiction = "it"\ndays = [2026-12-07]\n'))
    for day, hour, expected in (
        (7, 11, "HOLIDAY"),
        (4, 19, "REGISTER_NEVER_CHECKED"),
        (5, 11, "REGISTER_NEVER_CHECKED"),
    ):
        table = {
            "number": "+393331234567",
            "at": datetime(2026, 12, day, hour - 1, tzinfo=UTC) - timedelta(minutes=1),
            "campaign": {"region": "IT", "caller_ids": ["+390612345678"]},
        }
        assert loaded.evaluate(*question(table)).reason == expected


OWN = """
[[rule]]
jurisdiction = "common"
id = "SITE-NIGHT"
family = "hours"
summary = "Never at night."
citation = "Our own policy"
confidence = "confirmed"
valid_from = 2026-01-01
params = { weekdays = ["08:00-21:00"], saturday = [], sunday = [] }
"""


def test_own_rule_for_every_country(site: Change) -> None:
    """A site's common rule is asked in every country."""
    table = {
        "number": "+442079460123",
        "at": datetime(2026, 5, 20, 20, 30, tzinfo=UTC),
        "campaign": {"region": "GB", "caller_ids": ["+442079460999"], "purpose": "service"},
    }
    assert load().evaluate(*question(table)).reason == "NO_RESTRICTION"
    assert load(site(OWN)).evaluate(*question(table)).reason == "OUTSIDE_HOURS"


def test_own_rules_are_conjunctive(site: Change) -> None:
    """A wider window of a site's own does not open what the law shuts."""
    wide = OWN.replace("08:00-21:00", "00:00-24:00").replace("saturday = []", 'saturday = ["00:00-24:00"]')
    table = {
        "number": "+393331234567",
        "at": datetime(2026, 5, 20, 20, 30, tzinfo=UTC),
        "campaign": {"region": "IT", "caller_ids": ["+390612345678"]},
    }
    assert load(site(wide)).evaluate(*question(table)).reason == "OUTSIDE_HOURS"


EXEMPTION = OWN.replace('"hours"', '"exemption"').replace(
    '{ weekdays = ["08:00-21:00"], saturday = [], sunday = [] }',
    '{ ground = "customer", relationship = "purchase", months_after_start = 24 }',
)


def test_own_exemption_takes_a_reason(site: Change) -> None:
    """An exemption of a site's own loosens what names its ground: it takes a reason, and is reported."""
    with pytest.raises(InputError, match=r"site\.toml: rule SITE-NIGHT: key family: an exemption"):
        load(site(EXEMPTION))
    with_reason = EXEMPTION.replace('confidence = "confirmed"', 'confidence = "confirmed"\noverride = "advice"')
    assert [(one.rule, one.reason) for one in load(site(with_reason)).overrides] == [("SITE-NIGHT", "advice")]


BROKEN = [
    ('[[change]]\nrule = "NO-RULE"\n', "change NO-RULE: no rule has this id"),
    ('[[change]]\nrule = "ALL-LAW"\nenabled = false\n', "change ALL-LAW: this rule is the frame"),
    ('[[change]]\nrule = "IT-RPO-05"\nparams = { days = 3 }\n', "rule IT-RPO-05: key params.days"),
    ('[[change]]\nrule = "IT-RPO-05"\nvalid_to = 2020-01-01\n', "change IT-RPO-05: valid_to"),
    ('[[change]]\nrule = "IT-RPO-05"\ncitation = "x"\n', "change IT-RPO-05: key citation"),
    ('[[holiday]]\njurisdiction = "xx"\ndays = []\n', "no rulebook 'xx'"),
    ('[[rule]]\nid = "SITE-X"\n', "rule SITE-X: key"),
    (OWN.replace("SITE-NIGHT", "IT-COC-02"), "rule IT-COC-02: the id is taken"),
    (OWN.replace('"hours"', '"number"'), "rule SITE-NIGHT: key"),
    ("rules = 3\n", "key rules"),
]


@pytest.mark.parametrize(("text", "named"), BROKEN)
def test_a_broken_site_file_is_refused(site: Change, text: str, named: str) -> None:
    """What is wrong in a site's file is told in one line with its file and key."""
    with pytest.raises(InputError) as caught:
        load(site(text))
    assert named in str(caught.value)
    assert "site.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def rule(before: Rule, **params: object) -> Rule:
    return before.model_copy(update={"params": {**before.params, **params}})


def test_the_same_rule_is_not_looser() -> None:
    """What stays as it is, or is only named anew, is no loosening."""
    for book in load().books.values():
        for one in book.rules:
            assert looser(one, one) == ()


def test_required_prefixes() -> None:
    """Fewer prefixes are stricter, other ones are not, and none at all asks nothing."""
    shipped = shipped_rule("FR-CLI-01")
    few, other = ["+33162"], ["+33162", "+3361"]
    assert looser(shipped, rule(shipped, required_prefixes=few)) == ()
    assert looser(shipped, rule(shipped, required_prefixes=other)) == ("params.required_prefixes",)
    assert looser(shipped, rule(shipped, required_prefixes=[])) == ("params.required_prefixes",)
    assert looser(rule(shipped, required_prefixes=[]), shipped) == ()


def test_public_holidays_can_be_shut_but_not_opened() -> None:
    """Days like others may be shut; opening them at other hours can't be shown to be stricter."""
    shipped = shipped_rule("CA-HRS-01")
    shut = rule(shipped, holiday=[], extra_holidays=["2026-07-01"])
    assert looser(shipped, shut) == ()
    assert looser(shipped, rule(shut, holiday=["12:00-13:00"])) == ("params.holiday",)
    assert looser(shut, shipped) == ("params.holiday", "params.extra_holidays")


def test_an_exemption_turned_on_is_looser() -> None:
    """An exemption that was off loosens when it is turned on."""
    on = shipped_rule("IT-RPO-03")
    off = on.model_copy(update={"enabled": False})
    assert looser(off, on) == ("enabled",)
    assert looser(on, off) == ()
    assert looser(off, off.model_copy()) == ()


def shipped_rule(rule_id: str) -> Rule:
    return next(one for book in load().books.values() for one in book.rules if one.id == rule_id)
