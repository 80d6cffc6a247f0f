"""The manager accounts that `[[pbx]]` names: one for the guard, one for the doctor, over the same connection."""

import ssl
from pathlib import Path

from vaglio import config
from vaglio.config import Pbx, Settings
from vaglio.errors import ConfigError
from vaglio.pbx.ami import Account


def account(settings: Settings, pbx: Pbx, username: str, secret_file: Path | None, keys: str = "") -> Account:
    """The account whose keys begin with `keys` (the doctor's: `doctor_`).

    Raises:
        ConfigError: when its secret, the trunks or the authorities cannot be used.
    """
    secret = config.read_secret(settings, secret_file)
    if secret is None:
        raise ConfigError(
            f"[[pbx]] {pbx.name}: {keys}username without {keys}secret_file; name the file with its secret"
        )
    if not pbx.trunks:
        raise ConfigError(f'[[pbx]] {pbx.name}: trunks is empty; name each, such as trunks = ["PJSIP/carrier"]')
    return Account(pbx.name, pbx.host, pbx.port, username, secret, _tls(settings, pbx) if pbx.tls else None)


def _tls(settings: Settings, pbx: Pbx) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.path(pbx.tls_ca_file) if pbx.tls_ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"[[pbx]] {pbx.name}: tls_ca_file cannot be used ({error}); expected PEM") from error
