"""The service's own log: JSON in service, readable at a terminal, never a phone number in clear.

Libraries that log through the standard library (asyncio, panoramisk, uvicorn) pass the same processors.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from vaglio.config import Log
from vaglio.redaction import redact

_PLAIN = frozenset({"timestamp", "level", "logger", "uniqueid", "decision", "entry", "pid", "port", "address"})
"""Keys whose values are ours and can look like a number without being one."""


def _redacted(value: object) -> object:
    match value:
        case bool() | float() | None:
            return value
        case int():
            return value if -10_000_000 < value < 10_000_000 else redact(str(value))  # noqa: PLR2004 - 7 digits
        case str():
            return redact(value)
        case Mapping():
            return {redact(str(key)): _redacted(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted(item) for item in value]
        case _:
            return redact(str(value))


def redact_event(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: every value but the service's own identifiers passes the redaction."""
    for key, value in event.items():
        if key not in _PLAIN:
            event[key] = _redacted(value)
    return event


def configure(log: Log) -> None:
    """Set up structlog and the standard library's root logger, once, at the start of a process."""
    to_terminal = log.format == "console" or (log.format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if to_terminal else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
