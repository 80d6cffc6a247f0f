"""Assembles the command line and turns every error a person can mend into one line."""

import sys

import typer

from vaglio import __version__
from vaglio.errors import VaglioError

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


def run() -> None:
    """Entry point of `vaglio`."""
    try:
        app()
    except VaglioError as error:
        typer.echo(f"vaglio: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has left, as `head` does
        sys.exit(0)
    except KeyboardInterrupt:
        typer.echo("vaglio: interrupted; nothing is half done, run the command again", err=True)
        sys.exit(130)
