"""Changes of one sort, as the log announced them."""

from pathlib import Path

from vaglio.audit import EntryKind, Log, create_log, make
from vaglio.audit.announced import announced
from vaglio.audit.keys import Keys
from vaglio.clock import now


def test_changes_are_told_newest_first_with_what_became_of_them(tmp_path: Path) -> None:
    """Made, abandoned, or not known yet; others are left out, and a bound tells that there are more."""
    keys = Keys.create(tmp_path / "keys")
    path = tmp_path / "audit.db"
    create_log(path, keys, now())
    with Log(path, keys) as log:
        for name, told in (
            ("first", EntryKind.CHANGE_CONFIRMED),
            ("second", EntryKind.CHANGE_ABANDONED),
            ("third", None),
        ):
            entry = make(EntryKind.CHANGE_ANNOUNCED, now(), {"change": "campaigns", "file": name})
            log.append(entry)
            log.append(make(EntryKind.CHANGE_ANNOUNCED, now(), {"change": "opposition"}))
            if told is not None:
                log.append(make(told, now(), {"ref": entry.id}))
    found, whole = announced(path, "campaigns", 10)
    assert [(one.body["file"], one.made) for one in found] == [("third", None), ("second", False), ("first", True)]
    assert whole
    some, whole = announced(path, "campaigns", 2)
    assert [one.body["file"] for one in some] == ["third", "second"]
    assert not whole
