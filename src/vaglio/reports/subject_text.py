"""A subject report as text that the person it is about can read."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_QUIET: Final = frozenset({"source", "entry", "replaced_by"})
_PLURAL: Final = {
    "opposition": "Oppositions",
    "consent": "Consents",
    "withdrawal": "Withdrawals of consent",
    "relationship": "Contracts, purchases, inquiries and requested calls",
    "contact": "What a principal noted about the number",
}


def subject_text(report: Mapping[str, Any]) -> str:
    """The report as plain text, one line a fact."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    yield f"What is held about {report['number']}"
    whose = f"{report['controller']} and for every" if report["controller"] else "every"
    yield f"Made at {report['made_at']}, for {whose} controller served here (GDPR art. 15)."
    if not report["held"]:
        yield ""
        yield "Nothing is held about this number."
    for kind, facts in report["facts"].items():
        yield from _section(_PLURAL[kind], (_fact(fact) for fact in facts))
    yield from _section("Registers", (_plain(one) for one in report["registers"]))
    yield from _section("Handed to a register's keeper, to be checked", map(_plain, report["handed_over"]))
    yield from _section("Calls that were asked for", (_call(call) for call in report["calls"]))
    yield from _section(
        "Other records", (f"{one['at']}  {one['kind']}  {_plain(one['told'])}" for one in report["other_entries"])
    )
    recipients = report["recipients"]
    controllers = [f"{one['id']} ({one['name'] or 'no longer served here'})" for one in recipients["controllers"]]
    yield from _section(
        "Who has it",
        (
            f"{what}: {', '.join(names)}"
            for what, names in (
                ("in whose name calls are made", controllers),
                ("who calls for them", recipients["caller_orgs"]),
                ("registers it was checked against", recipients["register_keepers"]),
            )
            if names
        ),
    )
    yield from _section("What for", report["purposes"])
    retention = report["retention"]
    yield from _section(
        "How long", (f"facts: {retention['facts']}", f"calls: {retention['calls_days']} {retention['calls']}")
    )
    yield from _section("How it is decided", (report["logic"],))
    yield from _section("Your rights", report["rights"])


def _section(title: str, lines: Any) -> Iterator[str]:  # noqa: ANN401 - any iterable of texts
    found = list(lines)
    if found:
        yield ""
        yield title
        yield from (f"  {line}" for line in found)


def _plain(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value is not None and key not in _QUIET)


def _fact(fact: Mapping[str, Any]) -> str:
    source = fact["source"]
    came = " ".join(str(source[key]) for key in ("change", "file") if source.get(key))
    former = f"; replaced by entry {fact['replaced_by']}" if fact.get("replaced_by") else ""
    return f"{_plain(fact)}; from {came or 'an unknown source'}, entry {source['entry']}{former}"


def _call(call: Mapping[str, Any]) -> str:
    if call["verdict"] is None:
        said = "let out by the failure policy, without a verdict"
    else:
        said = f"{call['verdict']}: {call['meaning']} ({call['reason']})"
    who = f"for {call['controller']}" + (f" by {call['caller_org']}" if call["caller_org"] else "")
    became = f"; {call['outcome']}" if call["outcome"] else ""
    return f"{call['at']}  {who}, campaign {call['campaign']}: {said}{became}; decision {call['id']}"
