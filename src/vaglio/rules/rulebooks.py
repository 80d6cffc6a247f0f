"""All rulebooks of an installation: the one thing that other rooms hold."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from vaglio.errors import InputError
from vaglio.model import Call, Campaign, Contact, Decision, Facts
from vaglio.numbers import Number
from vaglio.rules.evaluate import decide
from vaglio.rules.frame import Frame, framed
from vaglio.rules.jurisdiction import rulebook_of_region
from vaglio.rules.load import (
    COMMON,
    JURISDICTIONS,
    Source,
    built,
    parsed_toml,
    read_book,
    read_file,
    shipped,
)
from vaglio.rules.rule import Rule
from vaglio.rules.rulebook import FRAME, Rulebook
from vaglio.rules.site import Override, applied, read_site


class Rulebooks:
    """The law as loaded. Immutable; made by `load`.

    Attributes:
        books: by jurisdiction, such as `it`.
        common: the rules that hold everywhere, alone: for numbers that no rulebook covers.
        overrides: shipped rules that the site loosened, to be logged by whoever starts the service.
    """

    __slots__ = ("_frame", "books", "common", "overrides")

    def __init__(self, books: Iterable[Rulebook], common: Rulebook, overrides: tuple[Override, ...] = ()) -> None:
        self.books: Mapping[str, Rulebook] = MappingProxyType({book.jurisdiction or "": book for book in books})
        self.common = common
        self.overrides = overrides
        self._frame = _frame(common.rules)

    def jurisdiction_of(
        self, number: Number, contact: Contact | None = None, campaign: Campaign | None = None
    ) -> str | None:
        """The rulebook for a number: by its country or the contact's region, else the campaign's fallback.

        `None` where no rulebook covers it.
        """
        region = (contact.region if contact is not None else None) or number.country
        found = rulebook_of_region(region)
        if found is None and campaign is not None:
            found = campaign.fallback_jurisdiction
        return found if found in self.books else None

    def registers(self, jurisdiction: str | None, at: datetime) -> tuple[str, ...]:
        """The registers that a decision may ask for at that instant, whatever the campaign."""
        book = self.books.get(jurisdiction or "", self.common)
        return book.period(at).registers

    def attempt_window(
        self, jurisdiction: str | None, at: datetime, campaign: Campaign | None
    ) -> timedelta | None:
        """How far back from `at` the attempts must be handed in; `None` where no rule asks for them."""
        book = self.books.get(jurisdiction or "", self.common)
        return book.period(at).reach(campaign) or None

    def warm(self, at: datetime) -> None:
        """Look up the public holidays of the years around an instant, so that no call waits for them (some 50 ms).

        To be called at start, and once in a while after.
        """
        for book in self.books.values():
            book.warm(at)

    def evaluate(self, call: Call, campaign: Campaign | None, facts: Facts) -> Decision:
        """The decision on a call: a pure function of its arguments and this law; see `vaglio.rules.evaluate`."""
        jurisdiction = self.jurisdiction_of(call.number, facts.contact, campaign)
        book = self.books.get(jurisdiction or "")
        covered = book is not None
        return decide(self._frame, call, campaign, facts, book or self.common, covered=covered)


def load(site_file: Path | None = None, *, rulebook_file: Path | None = None) -> Rulebooks:
    """The shipped rulebooks, with a site's own rules on top (see `vaglio.rules.site` for its form).

    A `rulebook_file` is tried in their place: a national rulebook (with its key `jurisdiction`) replaces the
    shipped one, any other file the site's. Raises InputError, naming file and key, where anything is not as it
    must be.
    """
    sources = dict(shipped())
    name, data = ("", b"") if site_file is None else (str(site_file), read_file(site_file))
    if rulebook_file is not None:
        other = read_file(rulebook_file)
        if "jurisdiction" in parsed_toml(str(rulebook_file), other):
            source = read_book(str(rulebook_file), other)
            if source.book.jurisdiction not in sources:
                known = ", ".join(sources)
                raise InputError(f"{rulebook_file}: key jurisdiction: there is no such rulebook; one of {known}")
            sources[source.book.jurisdiction] = source
        else:
            name, data = str(rulebook_file), other
    rules, overrides = applied(
        read_site(name, data), {key: _unique(source, sources[COMMON]) for key, source in sources.items()}
    )
    common = sources[COMMON]
    books = [built(common, sources[key], (*rules[COMMON], *rules[key]), data) for key in JURISDICTIONS]
    return Rulebooks(books, built(common, None, rules[COMMON], data), overrides)


def _unique(source: Source, common: Source) -> tuple[Rule, ...]:
    """The rules of a file, none of which may have the id of a common one."""
    taken = {rule.id for rule in common.book.rule} if source is not common else set()
    for rule in source.book.rule:
        if rule.id in taken:
            raise InputError(f"{source.name}: rule {rule.id}: the id is taken by a common rule; give it its own")
    return source.book.rule


def _frame(rules: Iterable[Rule]) -> Frame:
    by_family = {rule.family: rule for rule in rules}
    emergency, campaign, number, jurisdiction = (by_family[family] for family in FRAME)
    return framed(emergency, campaign, number, jurisdiction)
