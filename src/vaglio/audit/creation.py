"""A new log: the empty file and its first entry, which names the keys that belong to it."""

from datetime import datetime
from pathlib import Path

from vaglio.audit.commit import Log
from vaglio.audit.entry import EntryKind, make
from vaglio.audit.keys import Keys
from vaglio.audit.store import create


def create_log(path: Path, keys: Keys, at: datetime) -> None:
    """Make audit.db and append its first entry: origin, public key, fingerprints of the secret keys.

    Raises:
        StoreError: when the file exists or cannot be made.
    """
    create(path)
    body = {"origin": keys.origin, "vkey": keys.verifier.vkey, "fingerprints": keys.fingerprints}
    with Log(path, keys) as log:
        log.append(make(EntryKind.LOG_CREATED, at, body))
