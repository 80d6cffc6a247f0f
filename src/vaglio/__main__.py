"""`python -m vaglio` is `vaglio`."""

from vaglio.cli.main import run

run()
