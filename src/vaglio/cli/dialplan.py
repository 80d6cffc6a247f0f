"""`vaglio dialplan emergency`: the generated part of the dialplan."""

import typer

from vaglio.cli.main import app
from vaglio.cli.terminal import ConfigOption
from vaglio.pbx.dialplan import emergency_conf
from vaglio.site import Site

dialplan = typer.Typer(help="The generated part of the dialplan.", no_args_is_help=True)
app.add_typer(dialplan, name="dialplan")


@dialplan.callback()
def _group() -> None:
    """Keeps `emergency` a command of its own while it is the only one."""


@dialplan.command()
def emergency(config: ConfigOption = None) -> None:
    """Print vaglio-emergency.conf for the configured regions."""
    typer.echo(emergency_conf(Site.at(config).emergency()), nl=False)
