"""A list from end to end: read in batches, judged, written, counted; then one entry in the log."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Final

from vaglio.audit import EntryKind, Keys, Log, make, redacted
from vaglio.audit.canonical import timestamp
from vaglio.clock import now
from vaglio.errors import InputError, NotFoundError
from vaglio.index.rows import Progress, open_input
from vaglio.model import Campaign
from vaglio.numbers.emergency import known_region
from vaglio.reports.scrub.batches import Batches
from vaglio.reports.scrub.columns import Layout, layout_of
from vaglio.reports.scrub.judging import Asked
from vaglio.reports.scrub.records import Stream, cells, column_of, delimiter_of, mark_of, records
from vaglio.reports.scrub.results import Results, opened
from vaglio.reports.scrub.workbook import MAGIC, MAX_BYTES, workbook_records
from vaglio.screening import Screener
from vaglio.site import Site

BATCH: Final = 200_000
"""Records judged together, a block of the file more at most; with `_BATCH_BYTES` it bounds the memory."""
_BATCH_BYTES: Final = 64 * 1024 * 1024
_SAMPLE: Final = 200
ADVICE: Final = "This is advice as of the instant asked about; the gate decides again at the call."


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be scrubbed, and how."""

    file: Path
    campaign: str
    out: Path
    """Directory of `allowed.csv` and `blocked.csv`."""
    number_column: str | None = None
    """Its name, or its place from 1; None: found."""
    column_named_by: str = "--number-column"
    """What an error tells to name it with: the option, a form's field."""
    region: str | None = None
    """In whose form bare digits are written; None: the campaign's, as it is dialled."""
    at: datetime | None = None
    """Aware; None is now."""
    name: str | None = None
    """How summary and log call the list; None: by its file's name."""
    origin: Mapping[str, object] | None = None
    """What the entry says of who asked, and by which door."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of it."""

    file: str
    sha256: str
    campaign: str
    controller: str
    at: datetime
    column: str
    """Of the number."""
    leads: int
    allowed: int
    blocked: int
    reasons: dict[str, dict[str, int]]
    """Verdict → reason → how many, the most first."""
    later: int
    """Blocked by nothing but the clock: they have a next possible moment."""
    allowed_file: str
    blocked_file: str
    entry: str
    """ULID of the log entry."""
    advice: str = ADVICE

    def document(self) -> dict[str, object]:
        """For a program."""
        return asdict(self)


def scrub(site: Site, order: Order, on_progress: Callable[[Progress], None] | None = None) -> Summary:
    """Scrub a list; blocking, to be called off the event loop.

    The two lists are there only once the log holds the entry that tells of them.

    Raises:
        InputError: when the list is none, its number's column cannot be told, or nothing can be written.
        NotFoundError: when the campaign is unknown.
        StoreError: when a database cannot be read or written.
    """
    at = order.at or now()
    if order.region is not None:
        _known(order.region)
    with site.screener() as opened_one:
        screener = Screener(
            opened_one.index,
            opened_one.log,
            opened_one.keys,
            opened_one.rulebooks,
            opened_one.emergency,
            clock=lambda: at,
        )
        campaign = screener.index.campaign(order.campaign)
        if campaign is None:
            raise NotFoundError(f"no campaign {order.campaign[:64]!r}; `vaglio campaign list` shows all")
        return _scrubbed(site, order, screener, campaign, on_progress)


def _known(region: str) -> None:
    try:
        known_region(region)
    except ValueError as error:
        raise InputError(f"--region: {error}") from error


def _scrubbed(
    site: Site,
    order: Order,
    screener: Screener,
    campaign: Campaign,
    on_progress: Callable[[Progress], None] | None,
) -> Summary:
    at = screener.clock()
    size = order.file.stat().st_size if order.file.is_file() else 0
    with open_input(order.file) as file:
        stream = Stream(file)
        source = _source(order.file, stream)
        first = next(source.records, [])
        if not first:
            raise InputError(f"{order.file}: empty; a list has one lead a line")
        delimiter = source.delimiter
        layout = _layout(order, first[:_SAMPLE], delimiter, campaign.region)
        end = b"\r\n" if first[0].endswith(b"\r\n") else b"\n"
        header = first.pop(0) if layout.header else None
        counts: Counter[tuple[str, str]] = Counter()
        later = 0
        asked = Asked(campaign.id, campaign.caller_ids[0] if campaign.caller_ids else "", order.at, order.region)
        with (
            Batches.open(screener, asked, site.log_file) as batches,
            opened(order.out, order.file) as (targets, allowed, blocked),
        ):
            results = Results(allowed, blocked, delimiter, end)
            results.begin(source.mark, header)
            for batch in _batches(chain((first,), source.records)):
                advised = batches.judge(column_of(batch, delimiter, layout.column))
                results.add(batch, advised)
                for advice, amount in Counter(advised).items():
                    counts[advice.decision.verdict.value, advice.decision.reason.value] += amount
                    later += amount if advice.next is not None else 0
                if on_progress is not None:
                    on_progress(Progress(min(stream.position, size), size, counts.total()))
            reasons = _reasons(counts)
            totals = {verdict: sum(amounts.values()) for verdict, amounts in reasons.items()}
            summary = Summary(
                order.name or order.file.name,
                stream.digest.hexdigest(),
                campaign.id,
                campaign.controller,
                at,
                layout.name,
                counts.total(),
                totals["allow"],
                totals["block"],
                reasons,
                later,
                str(targets.allowed),
                str(targets.blocked),
                entry="",
            )
            return _logged(site.log_file, screener.keys, summary, order)


@dataclass(frozen=True, slots=True)
class _Source:
    """A list as it is read."""

    mark: bytes
    """Its byte order mark."""
    delimiter: bytes
    records: Iterator[list[bytes]]
    """Some thousands at a time, blank ones left out."""


def _source(file: Path, stream: Stream) -> _Source:
    first = stream.read()
    if first.startswith(MAGIC):
        data = first + stream.read(MAX_BYTES + 1)
        return _Source(b"", b",", _filled(workbook_records(file, data)))
    blocks = stream.blocks(first)
    start = next(blocks, b"")
    delimiter = delimiter_of([line for line in start.split(b"\n", _SAMPLE)[:_SAMPLE] if line.strip()])
    return _Source(mark_of(first), delimiter, _filled(records(chain((start,), blocks), delimiter)))


def _filled(groups: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    kept = ([record for record in group if not record.isspace()] for group in groups)
    return (group for group in kept if group)


def _layout(order: Order, sample: list[bytes], delimiter: bytes, region: str) -> Layout:
    rows = [cells(record, delimiter) for record in sample]
    region = order.region or region
    return layout_of(order.file, rows, order.number_column, region, named_by=order.column_named_by)


def _batches(groups: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for group in groups:
        batch += group
        size += sum(map(len, group))
        if len(batch) >= BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _reasons(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {"allow": {}, "block": {}}
    for (verdict, reason), amount in counts.most_common():
        found[verdict][reason] = amount
    return found


def _logged(log: Path, keys: Keys, summary: Summary, order: Order) -> Summary:
    """Tell the log what was asked; never which numbers."""
    told = {
        "access": "scrub",
        **(order.origin or {}),
        "file": redacted(summary.file),
        "sha256": summary.sha256,
        "campaign": summary.campaign,
        "controller": summary.controller,
        "asked_at": timestamp(summary.at),
        "region": order.region,
        "leads": summary.leads,
        "allowed": summary.allowed,
        "blocked": summary.blocked,
        "reasons": summary.reasons,
    }
    entry = make(EntryKind.ACCESS, now(), told)
    with Log(log, keys) as writer:
        writer.append(entry)
    return Summary(**{**asdict(summary), "entry": entry.id})
