"""A new log: the file and its first entry, which names the keys that belong to it, in one transaction."""

from datetime import datetime
from pathlib import Path

from vaglio.audit.commit import insert, prepare
from vaglio.audit.entry import EntryKind, make
from vaglio.audit.keys import Keys
from vaglio.audit.store import creating


def create_log(path: Path, keys: Keys, at: datetime) -> None:
    """Make audit.db and append its first entry: origin, public key, fingerprints of the secret keys.

    Raises:
        StoreError: when the file exists or cannot be made.
    """
    body = {"origin": keys.origin, "vkey": keys.verifier.vkey, "fingerprints": keys.fingerprints}
    first = prepare(keys, make(EntryKind.LOG_CREATED, at, body))
    with creating(path) as connection:
        insert(connection, [first])
