"""From where the web may be reached: loopback, or TLS, or a named proxy that speaks TLS; nothing else."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from vaglio.config import Settings
from vaglio.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Exposure:
    """How one web process is reached."""

    host: str
    port: int
    certificate: Path | None
    key: Path | None
    proxies: tuple[str, ...]
    """Addresses whose `X-Forwarded-…` are believed; nobody else may connect when there are any."""
    hosts: tuple[str, ...]
    """Names and addresses that requests may call it by: no strange name leads a browser here (DNS rebinding)."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return ip_address(self.host).is_loopback


def exposure(settings: Settings) -> Exposure:
    """The configured way in.

    Raises:
        ConfigError: when it would show personal data or secrets to a network in clear.
    """
    web = settings.web
    host, port = web.listen
    files = [None if file is None else settings.path(file) for file in (web.tls_certificate, web.tls_key)]
    if (files[0] is None) != (files[1] is None):
        raise ConfigError("web.tls_certificate and web.tls_key: one needs the other")
    for key, file in zip(("tls_certificate", "tls_key"), files, strict=True):
        if file is not None and not file.is_file():
            raise ConfigError(f"web.{key}: {file} is not there; name the PEM file")
    proxies = tuple(str(one) for one in web.trusted_proxies)
    own = {"localhost", "127.0.0.1", "[::1]"}
    if not ip_address(host).is_unspecified:
        own.add(f"[{host}]" if ":" in host else host)
    found = Exposure(host, port, files[0], files[1], proxies, (*sorted(own), *web.hosts))
    if not found.loopback and found.certificate is None and not proxies:
        raise ConfigError(
            f"web.listen: {host} is not this machine alone, and numbers and passwords would "
            "cross the network in clear; set web.tls_certificate and web.tls_key, "
            "or web.trusted_proxies, or listen on 127.0.0.1"
        )
    return found
