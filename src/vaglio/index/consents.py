"""Consents as they stand: each with the withdrawal that ends it (GDPR art. 7(3)).

A withdrawal ends the consents of its controller and purpose given up to it. One that names `human` or
`automated` ends them for such calls only, so a consent for any channel falls into two: one ended, one standing.
Any other word, or none, ends them for every channel: in doubt for the person.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from vaglio.index.instants import from_micros
from vaglio.model import ANY, Consent, ConsentChannel

SELECT_CONSENTS: Final = """
SELECT controller, purpose, given_at, channel, sector, expires_at, method, evidence_uri, evidence_sha256,
    notice_id, collected_by, entry
FROM consent WHERE number = ? AND controller = ? AND given_at <= ? ORDER BY given_at, purpose, channel, sector
"""
SELECT_WITHDRAWALS: Final = """
SELECT purpose, channel, withdrawn_at FROM withdrawal
WHERE number = ? AND controller = ? AND withdrawn_at <= ? ORDER BY withdrawn_at
"""

_ONE_CHANNEL: Final = frozenset({ConsentChannel.HUMAN.value, ConsentChannel.AUTOMATED.value})

WithdrawalRow = tuple[str, str, int]


def consents_of(rows: Iterable[tuple[Any, ...]], withdrawals: Sequence[WithdrawalRow]) -> tuple[Consent, ...]:
    """The consents of SELECT_CONSENTS, with the withdrawals of SELECT_WITHDRAWALS (oldest first) applied."""
    consents = (
        Consent(
            controller,
            purpose,
            from_micros(given_at),
            ConsentChannel(channel),
            sector or None,
            None if expires_at is None else from_micros(expires_at),
            None,
            *rest,
        )
        for controller, purpose, given_at, channel, sector, expires_at, *rest in rows
    )
    if not withdrawals:
        return tuple(consents)
    return tuple(part for consent in consents for part in _ended(consent, withdrawals))


def _ended(consent: Consent, withdrawals: Sequence[WithdrawalRow]) -> Iterator[Consent]:
    if consent.channel is not ConsentChannel.ANY:
        yield _ended_in(consent, consent.channel, withdrawals)
        return
    human = _ended_in(consent, ConsentChannel.HUMAN, withdrawals)
    automated = _ended_in(consent, ConsentChannel.AUTOMATED, withdrawals)
    if human.withdrawn_at == automated.withdrawn_at:
        yield replace(human, channel=ConsentChannel.ANY)
    else:
        yield replace(human, channel=ConsentChannel.HUMAN)
        yield replace(automated, channel=ConsentChannel.AUTOMATED)


def _ended_in(consent: Consent, channel: ConsentChannel, withdrawals: Sequence[WithdrawalRow]) -> Consent:
    """The consent with the first withdrawal after it that ends it for calls of that channel."""
    for purpose, word, withdrawn_at in withdrawals:
        instant = from_micros(withdrawn_at)
        if (
            instant >= consent.given_at
            and purpose in {ANY, consent.purpose}
            and (word not in _ONE_CHANNEL or word == channel.value)
        ):
            return replace(consent, withdrawn_at=instant)
    return consent
