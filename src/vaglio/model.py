"""What every room speaks of: the call, the campaign, the facts, and the decision.

Frozen values only: no I/O, no clock. Times are aware datetimes in UTC unless a name says otherwise; dates in a
campaign are days in its region's main time zone. Numbers are `vaglio.numbers.Number`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from vaglio.numbers import Number

ANY = "*"
"""In an opposition: every principal served here, or every purpose."""
COMPLAINT = "complaint"
"""Channel of an opposition that came as a complaint about calls; reports count these on their own."""


class Verdict(StrEnum):
    """What the PBX is told to do with the call."""

    ALLOW = "allow"
    BLOCK = "block"


class Reason(StrEnum):
    """Why; the codes of the public face, in the order in which they are asked."""

    EMERGENCY_NUMBER = "EMERGENCY_NUMBER"
    CAMPAIGN_UNKNOWN = "CAMPAIGN_UNKNOWN"
    NUMBER_INVALID = "NUMBER_INVALID"
    NO_RULEBOOK = "NO_RULEBOOK"
    CAMPAIGN_NOT_ACTIVE = "CAMPAIGN_NOT_ACTIVE"
    SCRIPT_MISSING = "SCRIPT_MISSING"
    CALLER_ID_NOT_ALLOWED = "CALLER_ID_NOT_ALLOWED"
    OPPOSITION = "OPPOSITION"
    SECTOR_BAN = "SECTOR_BAN"
    HOLIDAY = "HOLIDAY"
    OUTSIDE_HOURS = "OUTSIDE_HOURS"
    FREQUENCY_CAP = "FREQUENCY_CAP"
    REFUSAL_LOCKOUT = "REFUSAL_LOCKOUT"
    SILENT_CALL_LOCKOUT = "SILENT_CALL_LOCKOUT"
    REGISTER_STALE = "REGISTER_STALE"
    REGISTER_NOT_COVERED = "REGISTER_NOT_COVERED"
    REGISTER_NEVER_CHECKED = "REGISTER_NEVER_CHECKED"
    REGISTER_OPPOSED = "REGISTER_OPPOSED"
    CONSENT_WITHDRAWN = "CONSENT_WITHDRAWN"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    CONSENT_VOIDED = "CONSENT_VOIDED"
    CONSENT_UNPROVEN = "CONSENT_UNPROVEN"
    PURPOSE_MISMATCH = "PURPOSE_MISMATCH"
    NO_CONSENT = "NO_CONSENT"
    CUSTOMER = "CUSTOMER"
    CALLBACK = "CALLBACK"
    CONSENT = "CONSENT"
    LISTED_NOT_OPPOSED = "LISTED_NOT_OPPOSED"
    NOT_ON_REGISTER = "NOT_ON_REGISTER"
    NO_RESTRICTION = "NO_RESTRICTION"
    REQUESTED_CALL = "REQUESTED_CALL"
    MONITOR_ONLY = "MONITOR_ONLY"


class FindingOutcome(StrEnum):
    """What one rule said."""

    PASS = "pass"  # noqa: S105 - an outcome, no password
    BLOCK = "block"
    EXEMPT = "exempt"
    NOT_APPLICABLE = "not-applicable"


class Purpose(StrEnum):
    """What a campaign calls for."""

    MARKETING = "marketing"
    DIRECT_SALE = "direct-sale"
    MARKET_RESEARCH = "market-research"
    SATISFACTION_SURVEY = "satisfaction-survey"
    SERVICE = "service"


class DialMode(StrEnum):
    """How a campaign dials; `AUTOMATED` means that no person speaks (recorded or synthetic voice)."""

    MANUAL = "manual"
    PREVIEW = "preview"
    PROGRESSIVE = "progressive"
    PREDICTIVE = "predictive"
    AUTOMATED = "automated"


class CampaignMode(StrEnum):
    """Whether blocks bind, or are only recorded."""

    ENFORCE = "enforce"
    MONITOR = "monitor"


class OnFailure(StrEnum):
    """What the dialplan does with a call when no verdict can be had."""

    BLOCK = "block"
    ALLOW = "allow"


class ConsentChannel(StrEnum):
    """Which calls a consent covers."""

    HUMAN = "human"
    AUTOMATED = "automated"
    ANY = "any"


class RelationshipKind(StrEnum):
    """What ties a person to a controller."""

    CONTRACT = "contract"
    PURCHASE = "purchase"
    INQUIRY = "inquiry"
    REQUESTED_CALL = "requested-call"
    CALLBACK = "callback"


class SubjectType(StrEnum):
    """Who holds the number; unknown is read as the strictest."""

    NATURAL = "natural"
    SOLE_TRADER = "sole-trader"
    LEGAL = "legal"


class RegisterState(StrEnum):
    """What a register says of a number; whether that is too old is for the rules, at their own instant."""

    OPPOSED = "opposed"
    CLEAR = "clear"
    NEVER_CHECKED = "never-checked"
    NOT_COVERED = "not-covered"


@dataclass(frozen=True, slots=True)
class Controller:
    """A principal: the organisation in whose name calls are made, the controller of the GDPR (art. 4(7))."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Campaign:
    """A series of calls for one controller and one purpose."""

    id: str
    controller: str
    caller_org: str
    purpose: Purpose
    sector: str
    dial_mode: DialMode
    region: str
    """ISO 3166 code whose national number form the dialplan uses, and whose main zone dates are read in."""
    caller_ids: tuple[str, ...] = ()
    """Declared numbers as configured: E.164, or a short code of the region; empty allows none."""
    starts: date | None = None
    ends: date | None = None
    """Last day, included."""
    script_version: str | None = None
    notice_version: str | None = None
    mode: CampaignMode = CampaignMode.ENFORCE
    on_failure: OnFailure = OnFailure.BLOCK
    accepted_risk: str | None = None
    trunk_prefix: str | None = None
    fallback_jurisdiction: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """The question: may this number be called now, for this campaign, showing this caller id?"""

    number: Number
    campaign_id: str
    caller_id: str | None
    """E.164 or short code as presented by the channel; `None` when withheld."""
    at: datetime
    """UTC, taken once; every rule and every age is measured at it."""
    pbx: str = ""
    uniqueid: str = ""
    """Asterisk's channel unique id; empty when nobody calls (`vaglio check`)."""


@dataclass(frozen=True, slots=True)
class Opposition:
    """A person's refusal (GDPR art. 21(2)-(3)), in force until lifted by an act of its own."""

    controller: str
    purpose: str
    opposed_at: datetime
    channel: str | None
    evidence_uri: str | None
    entry: int
    """Sequence number in audit.db of the entry that announced it."""


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent as recorded, with its withdrawal when there is one (GDPR art. 7)."""

    controller: str
    purpose: str
    given_at: datetime
    channel: ConsentChannel
    sector: str | None
    expires_at: datetime | None
    withdrawn_at: datetime | None
    method: str
    evidence_uri: str | None
    evidence_sha256: str | None
    notice_id: str | None
    collected_by: str | None
    entry: int


@dataclass(frozen=True, slots=True)
class Relationship:
    """A contract, purchase, inquiry, requested call or call-back that ties the number to a controller."""

    controller: str
    kind: RelationshipKind
    started_at: datetime
    ended_at: datetime | None
    sector: str | None
    simplified_revocation: bool
    entry: int


@dataclass(frozen=True, slots=True)
class Contact:
    """What a controller knows of the number's holder; `None` is unknown, and read strictly."""

    controller: str
    directory_listed: bool | None
    region: str | None
    subdivision: str | None
    timezone: str | None
    subject_type: SubjectType | None
    entry: int


@dataclass(frozen=True, slots=True)
class RegisterStatus:
    """What one register says of the number, and by which snapshot or verdict."""

    register: str
    state: RegisterState
    as_of: datetime | None
    """The date of the list, or of the request a verdict answers; `None` when never checked."""
    source: str | None
    """Snapshot id or batch id."""
    consents_void_until: date | None = None
    """Query registers: consents given up to this day, included, are void."""


class CallOutcome(StrEnum):
    """What became of an attempt, as far as the PBX told."""

    UNKNOWN = "unknown"
    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    SILENT = "silent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Attempt:
    """An allowed and delivered call of the same controller to the same number."""

    at: datetime
    outcome: CallOutcome
    decision: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known for one decision, read at one generation of the index."""

    generation: int
    campaign: Campaign | None = None
    oppositions: tuple[Opposition, ...] = ()
    """Of this number: for the campaign's controller or every controller; any purpose."""
    consents: tuple[Consent, ...] = ()
    """Of this number: every controller's own kept apart; only the campaign's controller's are here."""
    relationships: tuple[Relationship, ...] = ()
    contact: Contact | None = None
    registers: Mapping[str, RegisterStatus] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    """Newest first, within the longest window any rule in force looks back."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule said and why: the unit of explanation."""

    rule: str
    """Rule id, such as `IT-COC-02`."""
    outcome: FindingOutcome
    reason: Reason | None = None
    detail: str = ""
    """One plain English sentence with the fact's values; never a number in clear."""
    citation: str = ""
    evidence: str | None = None
    """What the rule rested on: `entry:<seq>`, `snapshot:<id>`, `batch:<id>`, `decision:<id>`."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, with everything needed to explain it and to replay it."""

    verdict: Verdict
    reason: Reason
    findings: tuple[Finding, ...]
    jurisdiction: str | None
    """Rulebook applied, such as `it`."""
    local_times: Mapping[str, str]
    """IANA zone → ISO 8601 local time at which the call was judged."""
    rulebook: str | None
    """Version of the rulebook: `it@<first 12 hex digits of its SHA-256>`."""
    would_be: Reason | None = None
    """In monitor mode: the reason for which the call would have been blocked."""
    attempt_window: datetime | None = None
    """Set when a frequency rule counted attempts: the instant its window opens; the log then makes sure
    that no other call took the same last attempt."""
