"""`vaglio init`, `vaglio serve`, `vaglio web`."""

from pathlib import Path
from typing import Annotated

import typer

from vaglio import site as installation
from vaglio.cli.main import app
from vaglio.cli.terminal import ConfigOption
from vaglio.service.serving import serve as run_service
from vaglio.site import Site


@app.command()
def init(directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty directory.")]) -> None:
    """Make an installation: configuration, empty index, empty log, keys."""
    made = installation.init(directory)
    typer.echo(f"Made {made.settings.file} with index.db, audit.db and keys.")
    typer.echo("Keep the keys out of the backups of the data. Next: vaglio campaign import FILE.toml")


@app.command()
def serve(
    *,
    standby: Annotated[
        bool, typer.Option("--standby", help="The second process: same files and log, its own address.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Answer the PBX until stopped."""
    run_service(Site.at(config), standby=standby)


@app.command()
def web(config: ConfigOption = None) -> None:
    """Serve the HTTP API and the console until stopped."""
    from vaglio.service.web import serve_web  # noqa: PLC0415 - what only this command needs is not waited for by calls

    serve_web(Site.at(config))
