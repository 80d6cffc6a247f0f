"""Assembles the command line and turns every error a person can mend into one line."""

import os
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import typer

from vaglio import __version__
from vaglio.errors import VaglioError
from vaglio.redaction import redact

GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "serving": ("init", "serve", "web"),
        "checking": ("check",),
        "campaigns": ("campaign", "controller"),
        "oppositions": ("opposition",),
        "consents": ("consent", "withdrawal", "relationship", "contact"),
        "registers": ("register",),
        "rules": ("rules", "replay"),
        "auditing": ("audit",),
        "proving": ("audit",),
        "syncing": ("sync", "index"),
        "anchors": ("audit",),
        "settling": ("settle",),
        "scrubbing": ("scrub",),
        "subjects": ("subject",),
        "reporting": ("report",),
        "accounts": ("account", "api-key"),
        "dialplan": ("dialplan",),
        "doctoring": ("doctor",),
    }
)
"""The modules of this package and the commands each adds (to), in the order of `vaglio --help`."""

_UsageError: Final = cast("type[Any]", typer.BadParameter.__mro__[1])
"""What typer raises for every wrong use; it gives a name only to this one's child."""

app = typer.Typer(
    name="vaglio",
    help="Call screening for Asterisk: every outbound call allowed or blocked before the trunk rings.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(*, version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        typer.echo(f"vaglio {__version__}")
        raise typer.Exit


def load(command: str = "") -> None:
    """Import what adds this command, or everything where there is none of that name.

    A command loads nothing that only others need: calls wait for `serve`, people for the rest.
    """
    for group in [name for name, commands in GROUPS.items() if command in commands] or GROUPS:
        import_module(f"vaglio.cli.{group}")


def run() -> None:
    """Entry point of `vaglio`."""
    load(sys.argv[1] if len(sys.argv) > 1 else "")
    try:
        sys.exit(app(prog_name="vaglio", standalone_mode=False) or 0)
    except VaglioError as error:
        typer.echo(f"vaglio: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has left, as `head` does
        sys.exit(0)
    except Exception as error:
        if isinstance(error, _UsageError):
            sys.exit(_wrong_use(error))
        if os.environ.get("VAGLIO_TRACEBACK"):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        typer.echo(
            f"vaglio: internal error in {Path(where.filename).name}:{where.lineno}: {type(error).__name__};"
            " a defect of Vaglio: run again with VAGLIO_TRACEBACK=1 and report what it prints",
            err=True,
        )
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("vaglio: interrupted; nothing is half done, run the command again", err=True)
        sys.exit(130)


def _wrong_use(error: Any) -> int:  # noqa: ANN401 - see _UsageError
    """Tell it in one line; a command group without a command shows its help instead."""
    command = error.ctx.command_path if error.ctx else "vaglio"
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        typer.echo(f"vaglio: {redact(error.format_message()).rstrip('.')}; see {command} --help", err=True)
    return 2
