"""audit.db: what was decided, and the proof that nobody changed it.

`create_log` makes one. The event loop appends through `Writer`, commands and other processes through `Log`;
both return only once the entry is durable. `Reader` reads, `Keys` holds the secrets.
"""

from vaglio.audit.commit import AttemptTaken, Claim, Log
from vaglio.audit.creation import create_log
from vaglio.audit.decision import decision_entry, delivery_entry, failopen_entry, outcome_entry
from vaglio.audit.entry import Entry, EntryKind, make
from vaglio.audit.keys import Keys
from vaglio.audit.reader import Reader, Record
from vaglio.audit.redact import redacted
from vaglio.audit.seal_task import keep_sealed
from vaglio.audit.sealing import InconsistentLog, Sealed, Sealer
from vaglio.audit.writer import Writer

__all__ = [
    "AttemptTaken",
    "Claim",
    "Entry",
    "EntryKind",
    "InconsistentLog",
    "Keys",
    "Log",
    "Reader",
    "Record",
    "Sealed",
    "Sealer",
    "Writer",
    "create_log",
    "decision_entry",
    "delivery_entry",
    "failopen_entry",
    "keep_sealed",
    "make",
    "outcome_entry",
    "redacted",
]
