"""What a call may rest on, as bits, so that a decision intersects them in one operation.

The order of the bits is the order in which an allow names its reason: the lowest that satisfies every rule.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from vaglio.model import Reason
from vaglio.rules.rule import Ground

CUSTOMER: Final = 1
CALLBACK: Final = 2
CONSENT: Final = 4
LISTED: Final = 8
NOT_ON_REGISTER: Final = 16
NO_RESTRICTION: Final = 32
REQUESTED_CALL: Final = 64
ALL: Final = 127

REASONS: Final[Mapping[int, Reason]] = MappingProxyType(
    {
        CUSTOMER: Reason.CUSTOMER,
        CALLBACK: Reason.CALLBACK,
        CONSENT: Reason.CONSENT,
        LISTED: Reason.LISTED_NOT_OPPOSED,
        NOT_ON_REGISTER: Reason.NOT_ON_REGISTER,
        NO_RESTRICTION: Reason.NO_RESTRICTION,
        REQUESTED_CALL: Reason.REQUESTED_CALL,
    }
)
_BITS: Final[Mapping[Ground, int]] = MappingProxyType(
    {
        Ground.CUSTOMER: CUSTOMER,
        Ground.CALLBACK: CALLBACK,
        Ground.CONSENT: CONSENT,
        Ground.REQUESTED_CALL: REQUESTED_CALL,
    }
)


def bits(grounds: Iterable[Ground]) -> int:
    """The mask of what is named."""
    mask = 0
    for ground in grounds:
        mask |= _BITS[ground]
    return mask


def reason_of(mask: int) -> Reason:
    """The first ground of a mask that has one."""
    return REASONS[mask & -mask]


@lru_cache(maxsize=ALL + 1)
def named(mask: int) -> str:
    """The grounds of a mask, for a sentence: `customer, consent`."""
    return ", ".join(ground.value for ground, bit in _BITS.items() if mask & bit)
