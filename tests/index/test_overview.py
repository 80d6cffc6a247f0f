from datetime import UTC, datetime, timedelta
from pathlib import Path

from vaglio.index.batches import request
from vaglio.index.definitions import AnswerLayout, definition, definitions
from vaglio.index.overview import RegisterInfo, registers
from vaglio.index.records import ContactRecord
from vaglio.index.snapshots import import_list
from vaglio.index.store import Store
from vaglio.index.verdicts import import_verdicts

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)


def one(store: Store, name: str, now: datetime) -> RegisterInfo:
    """How one register stands."""
    (found,) = [info for info in registers(store.path, definitions(), now) if info.name == name]
    return found


async def test_a_list_shows_its_age_and_the_days_left(store: Store, tmp_path: Path) -> None:
    """TPS holds 28 days; within the last five of them somebody is warned."""
    assert one(store, "tps", AS_OF).as_of is None
    assert not one(store, "tps", AS_OF).warning
    file = tmp_path / "tps.txt"
    file.write_text("02079460958\n")
    await import_list(store, definition("tps"), file, entry=5, as_of=AS_OF, now=AS_OF)
    fresh = one(store, "tps", AS_OF + timedelta(days=10))
    assert (fresh.entries, fresh.age_days, fresh.days_left, fresh.stale) == (1, 10.0, 18.0, 0)
    assert (fresh.coverage, fresh.file, fresh.warning) == (("44",), "tps.txt", False)
    assert one(store, "tps", AS_OF + timedelta(days=23)).warning
    assert one(store, "tps", AS_OF + timedelta(days=28)).stale == 1


async def test_a_query_register_shows_its_oldest_verdict_a_controller(store: Store, tmp_path: Path) -> None:
    """Verdicts age one by one: the oldest tells the days left; a request without an answer is shown."""
    rpo = definition("rpo")
    await store.add([ContactRecord(393471234567, "acme"), ContactRecord(393471234568, "acme")], entry=2)
    asked = await request(store, rpo, "acme", tmp_path / "rpo.txt", entry=3, now=AS_OF)
    assert [batch.id for batch in one(store, "rpo", AS_OF).waiting] == [asked.batch]
    (tmp_path / "a.txt").write_text("+393471234567\n")
    await import_verdicts(
        store, rpo, [tmp_path / "a.txt"], controller="acme", batch=str(asked.batch), entry=4,
        layout=AnswerLayout.CLEANSED,
    )  # fmt: skip
    shown = one(store, "rpo", AS_OF + timedelta(days=11))
    assert (shown.controller, shown.entries, shown.opposed, shown.days_left) == ("acme", 2, 1, 4.0)
    assert (shown.waiting, shown.stale, shown.warning) == ((), 0, True)
    assert one(store, "rpo", AS_OF + timedelta(days=15)).stale == 2
