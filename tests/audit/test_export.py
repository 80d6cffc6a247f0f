"""Bundles for auditors, and the second verifier that shares no code with ours."""

from __future__ import annotations

import csv
import importlib.util
import json
import random
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.audit import independent
from vaglio.audit import EntryKind, delivery_entry, make
from vaglio.audit.canonical import canonical, leaf_hash
from vaglio.audit.checkpoint import signed_checkpoint
from vaglio.audit.export import COLUMNS, ExportFormat, Selection, export
from vaglio.audit.merkle import inclusion_proof, root
from vaglio.audit.proof import Proof, prove
from vaglio.audit.sealing import Sealer
from vaglio.audit.tiles import fetcher, grow
from vaglio.audit.verify import verify_log
from vaglio.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from tests.audit.conftest import Site
    from vaglio.audit.tiles import Tile


def fill(site: Site, count: int) -> list[str]:
    entries = [site.decision(f"+3934012{turn:05}") for turn in range(count)]
    with site.log() as log, Sealer(site.path, site.keys, now=site.clock) as sealer:
        log.append_many(entries)
        log.append(delivery_entry(entries[0].id, site.now, 900))
        sealer.step(now=True)
        site.now += timedelta(minutes=1)
        site.keys = sealer.rotate()
        log.append(make(EntryKind.CONFIG, site.now, {"text": 'né virgole, né "virgolette"\n'}))
        sealer.step(now=True)
    return [entry.id for entry in entries]


def reading(tiles: dict[tuple[int, int], bytes]) -> Tile:
    return lambda level, number: tiles.get((level, number), b"")


def lines_of(directory: Path) -> list[str]:
    return (directory / "records.jsonl").read_text(encoding="utf-8").splitlines()


def test_the_second_verifier_agrees_on_a_bundle(site: Site) -> None:
    """Records, tiles, checkpoint and keys, by the bundle's own README."""
    first = site.keys.verifier.vkey
    fill(site, 600)
    bundle = export(site.path, site.directory / "out", Selection(), rulebooks={"it.toml": b"rules"})
    assert bundle.records == bundle.checkpoint.size == 606
    assert independent.check_bundle(bundle.directory, first) == 606
    assert (bundle.directory / "rulebooks" / "it.toml").read_bytes() == b"rules"
    assert bundle.checkpoint.origin in (bundle.directory / "README.md").read_text()


def test_the_second_verifier_agrees_on_the_database_and_on_proofs(site: Site) -> None:
    """The rows are the leaves of every checkpoint; a proof proves its record."""
    ids = fill(site, 30)
    with (site.directory / "keys" / "signing.vkey").open() as file:
        newest = file.read().strip()
    bundle = export(site.path, site.directory / "out", Selection())
    vkeys = (bundle.directory / "log.vkey").read_text().split()
    assert newest == vkeys[-1]
    assert independent.check_database(site.path, vkeys) == bundle.checkpoint.size
    assert independent.check_proof(prove(site.path, ids[7]).raw, vkeys)["id"] == ids[7]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bodies=st.lists(
        st.dictionaries(st.text(st.characters(codec="ascii")), st.text(st.characters(codec="utf-8"))),
        min_size=1,
        max_size=40,
    ),
    data=st.data(),
)
def test_both_agree_on_random_logs(site: Site, bodies: list[dict[str, str]], data: st.DataObject) -> None:
    """Any entries, any size: the same leaves, the same root, the same answer to a proof, right or wrong."""
    leaves = [canonical(body) for body in bodies]
    tiles = grow(lambda *_: b"", 0, [leaf_hash(leaf) for leaf in leaves])
    fetch = fetcher(reading(tiles))
    size = len(leaves)
    assert root(fetch, size) == independent.tree_hash([independent.sha(b"\x00" + leaf) for leaf in leaves])
    assert [independent.canonical(body) for body in bodies] == leaves
    index = data.draw(st.integers(0, size - 1))
    checkpoint = signed_checkpoint("example.org/log", size, root(fetch, size), site.keys.signing)
    proof = Proof(index, leaves[index], tuple(inclusion_proof(fetch, index, size)), checkpoint)
    vkeys = [site.keys.verifier.vkey]
    assert independent.check_proof(proof.raw, vkeys) == bodies[index]
    other = data.draw(st.integers(0, size - 1))
    if leaves[other] != leaves[index]:
        with pytest.raises(independent.Wrong):
            independent.check_proof(Proof(index, leaves[other], proof.hashes, checkpoint).raw, vkeys)


def test_both_agree_on_thousands_of_logs() -> None:
    """Sizes drawn at random up to three tiles: the same root from rows and from tiles that grew in two steps."""
    draw = random.Random(20260302)  # noqa: S311 - the same logs every time
    for _ in range(2000):
        size = draw.choice((draw.randint(1, 40), draw.randint(1, 40), draw.randint(200, 600)))
        leaves = [independent.sha(draw.randbytes(8)) for _ in range(size)]
        kept: dict[tuple[int, int], bytes] = {}
        cut = draw.randint(0, size)
        for start, end in ((0, cut), (cut, size)):
            kept.update(grow(reading(kept), start, leaves[start:end]))
        fetch = fetcher(reading(kept))
        whole = root(fetch, size)
        assert whole == independent.tree_hash(leaves)
        index = draw.randrange(size)
        assert independent.climb(leaves[index], index, size, inclusion_proof(fetch, index, size)) == whole


def test_a_selection_takes_what_belongs_to_it(site: Site) -> None:
    """By time, campaign and controller; what tells of a selected call comes with it, and still verifies."""
    fill(site, 5)
    first = export(site.path, site.directory / "campaign", Selection(campaign="spring"))
    assert first.records == 6
    assert independent.check_bundle(first.directory, site.keys.verifier.vkey) == 6
    assert export(site.path, site.directory / "controller", Selection(controller="none")).records == 0
    later = export(site.path, site.directory / "later", Selection(since=site.now))
    kinds = {json.loads(line)["entry"]["kind"] for line in lines_of(later.directory)}
    assert kinds == {"key-rotation", "config", "heartbeat"}


def test_the_three_forms_hold_the_same(site: Site) -> None:
    """JSON Lines, CSV and Parquet; quotes, commas and newlines survive."""
    fill(site, 25)
    directory = export(site.path, site.directory / "out", Selection()).directory
    lines = [json.loads(line) for line in lines_of(directory)]
    with (directory / "records.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    frame = pl.read_parquet(directory / "records.parquet")
    assert frame.columns == list(COLUMNS)
    assert [json.loads(row["entry"]) for row in rows] == [line["entry"] for line in lines]
    assert [json.loads(entry) for entry in frame["entry"]] == [line["entry"] for line in lines]
    assert frame["index"].to_list() == [line["index"] for line in lines]


def test_only_the_forms_asked_for_are_left(site: Site) -> None:
    """Nothing else lies about."""
    fill(site, 1)
    directory = export(
        site.path, site.directory / "out", Selection(), formats=frozenset({ExportFormat.PARQUET})
    ).directory
    assert {file.name for file in directory.iterdir()} == {
        "README.md",
        "checkpoint",
        "checkpoints.jsonl",
        "log.vkey",
        "records.parquet",
        "tile",
    }


def test_a_directory_with_something_in_it_is_refused(site: Site) -> None:
    """And so is a log that nothing was signed of."""
    with pytest.raises(NotFoundError, match="no checkpoint"):
        export(site.path, site.directory / "out", Selection())
    with pytest.raises(InputError, match="not empty"):
        export(site.path, site.keys.directory, Selection())


def test_the_second_verifier_finds_what_ours_finds(site: Site) -> None:
    """An edit behind the triggers' back."""
    import sqlite3  # noqa: PLC0415

    fill(site, 30)
    connection = sqlite3.connect(site.path)
    connection.execute("DROP TRIGGER entry_is_never_changed")
    connection.execute("UPDATE entry SET body = CAST(replace(body, 'allow', 'block') AS BLOB) WHERE seq = 9")
    connection.commit()
    connection.close()
    vkeys = [site.keys.verifier.vkey]
    assert not verify_log(site.path, site.keys.verifier).intact
    with pytest.raises(independent.Wrong):
        independent.check_database(site.path, vkeys)


def test_the_second_verifier_shares_no_code() -> None:
    """It imports the standard library and cryptography, nothing else."""
    spec = importlib.util.find_spec("tests.audit.independent")
    assert spec is not None
    assert spec.origin is not None
    assert "vaglio" not in Path(spec.origin).read_text(encoding="utf-8").split('"""', 2)[2].lower()
