"""One PBX judged by what it answered: the dialplan, its surroundings, its clock, who may do what."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final

from vaglio.config import Pbx
from vaglio.pbx.doctor.asking import Answers
from vaglio.pbx.doctor.examination import Surroundings, examine
from vaglio.pbx.doctor.finding import Finding, Level
from vaglio.pbx.doctor.rights import rights

CLOCK_SECONDS: Final = 2.0
"""How far the clocks may be apart: calling hours and frequency caps are judged by this host's."""


_NOT_TRIED: Final = Finding(
    "not-tried",
    Level.NOTE,
    "no call was placed: nobody said which number may be dialled in vain",
    "vaglio doctor --probe NUMBER@CONTEXT, with an opposed number; docs/doctor.md says what it takes",
)


@dataclass(frozen=True, slots=True)
class Service:
    """What the dialplan should ask, by Vaglio's own configuration."""

    listen: tuple[str, int]
    standby: tuple[str, int]
    secret: str | None
    policy_directory: str


def judge(pbx: Pbx, answers: Answers, service: Service, *, probing: bool = False) -> list[Finding]:
    """All that is to be said of a PBX that answered; `probing`: a probe call is placed besides."""
    found = [
        Finding(
            "refused",
            Level.DOUBT,
            f"the PBX does not answer the doctor's account: {told}",
            "in manager.conf: write = system,reporting for it; then `manager reload`",
        )
        for told in answers.refused
    ]
    if answers.dialplan is not None:
        around = Surroundings(pbx.trunks, answers.variables, answers.entrances)
        found += [_without_secret(one, service.secret) for one in examine(answers.dialplan, around)]
    found += [*_trunks(pbx, answers), *_asked(answers, service), *_state(answers)]
    if answers.manager is not None:
        found += rights(
            answers.manager,
            pbx.username,
            pbx.doctor_username or "",
            hangs_up=pbx.hang_up_unscreened,
            probing=probing,
        )
    return found if probing else [*found, _NOT_TRIED]


def _trunks(pbx: Pbx, answers: Answers) -> Iterator[Finding]:
    if answers.endpoints is None:
        return
    peers = {trunk.partition("/")[2] if "/" in trunk else trunk for trunk in pbx.trunks}
    for trunk in pbx.trunks:
        if trunk.startswith("PJSIP/") and trunk.partition("/")[2] not in answers.endpoints:
            yield Finding(
                "trunks",
                Level.FAULT,
                f"{trunk} is configured as a trunk, and the PBX has no such endpoint: nothing is watched under it",
                "mend trunks in [[pbx]], or the endpoint's name in pjsip.conf",
            )
    for name, authentication in answers.endpoints.items():
        if authentication and name not in peers:
            yield Finding(
                "trunks",
                Level.NOTE,
                f"endpoint {name} logs in elsewhere, as a trunk does, and is not in trunks",
                f'add "PJSIP/{name}" to trunks in [[pbx]] where calls can leave by it',
            )
    if answers.unseen_endpoints:
        yield Finding(
            "trunks",
            Level.NOTE,
            f"the contexts of {answers.unseen_endpoints} endpoints were not asked for: there are too many",
        )


def _asked(answers: Answers, service: Service) -> Iterator[Finding]:
    """The globals the shipped dialplan reads."""
    address = answers.variables.get("VAGLIO_ADDRESS", "127.0.0.1:4573")
    for name, given, ours in (
        ("VAGLIO_ADDRESS", address, service.listen),
        ("VAGLIO_STANDBY", answers.variables.get("VAGLIO_STANDBY", ""), service.standby),
    ):
        host, _, port = given.rpartition(":")
        if not given:
            yield Finding(
                "standby",
                Level.NOTE,
                "the dialplan names no standby: while the service restarts, the failure policies speak",
                f"run `vaglio serve --standby`, and set {name} = {ours[0]}:{ours[1]} in [globals]",
            )
        elif not _literal(host):
            yield Finding(
                "address",
                Level.FAULT,
                f"{name} is not a literal address: a name is looked up in every call, and the call waits",
                f"set {name} to an address such as {ours[0]}:{ours[1]} in [globals]",
            )
        elif port != str(ours[1]):
            yield Finding(
                "address",
                Level.FAULT,
                f"{name} is port {port}, and the service is configured to listen on {ours[1]}",
                f"set {name} = {ours[0]}:{ours[1]} in [globals], then `dialplan reload`",
            )
    if service.secret is not None and answers.variables.get("VAGLIO_SECRET") != service.secret:
        yield Finding(
            "address",
            Level.FAULT,
            "VAGLIO_SECRET is not the secret in fastagi.secret_file: no question is answered",
            "set VAGLIO_SECRET in [globals] to what the file holds, then `dialplan reload`",
        )
    directory = answers.variables.get("VAGLIO_POLICY_DIR", "/var/lib/vaglio/failure-policy")
    if directory.rstrip("/") != service.policy_directory.rstrip("/"):
        yield Finding(
            "policy",
            Level.NOTE,
            f"the dialplan reads failure policies from {directory}, the service writes {service.policy_directory}",
            "right only where both are one directory; else a campaign's on_failure = allow is not heard",
        )


def _state(answers: Answers) -> Iterator[Finding]:
    if answers.missing_modules:
        yield Finding(
            "modules",
            Level.FAULT,
            f"modules the gate needs are not loaded: {', '.join(answers.missing_modules)}",
            "take their noload out of modules.conf, and `module load` each",
        )
    ahead = answers.clock_ahead
    if ahead is not None and abs(ahead) > CLOCK_SECONDS:
        yield Finding(
            "clock",
            Level.FAULT,
            f"the PBX's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this host's",
            "have both follow one time source (chrony, systemd-timesyncd)",
        )


def _literal(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _without_secret(finding: Finding, secret: str | None) -> Finding:
    """No text of the dialplan brings the shared secret out."""
    if not secret or secret not in finding.what + finding.line:
        return finding
    return replace(finding, what=finding.what.replace(secret, "…"), line=finding.line.replace(secret, "…"))
