"""The parameters of each family, and the reading of a rule's own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeVar

import orjson
from pydantic import BaseModel

from vaglio.rules.families.basis import BasisParams
from vaglio.rules.families.caller_id import CallerIdParams
from vaglio.rules.families.campaign import NoParams, ScriptParams
from vaglio.rules.families.consent import ConsentParams
from vaglio.rules.families.exemption import ExemptionParams
from vaglio.rules.families.frequency import FrequencyParams, RefusalParams, SilentCallParams
from vaglio.rules.families.hours import HoursParams
from vaglio.rules.families.register import RegisterParams
from vaglio.rules.families.sector import SectorParams
from vaglio.rules.rule import Family, Rule

Params = TypeVar("Params", bound=BaseModel)

PARAMS: Final[Mapping[Family, type[BaseModel]]] = MappingProxyType(
    {
        Family.EMERGENCY: NoParams,
        Family.CAMPAIGN_KNOWN: NoParams,
        Family.NUMBER: NoParams,
        Family.JURISDICTION: NoParams,
        Family.CAMPAIGN_ACTIVE: NoParams,
        Family.SCRIPT: ScriptParams,
        Family.CALLER_ID: CallerIdParams,
        Family.OPPOSITION: NoParams,
        Family.SECTOR: SectorParams,
        Family.HOURS: HoursParams,
        Family.FREQUENCY: FrequencyParams,
        Family.REFUSAL: RefusalParams,
        Family.SILENT_CALL: SilentCallParams,
        Family.EXEMPTION: ExemptionParams,
        Family.REGISTER: RegisterParams,
        Family.CONSENT: ConsentParams,
        Family.BASIS: BasisParams,
    }
)


def params_of(rule: Rule, kind: type[Params]) -> Params:
    """The rule's parameters in the words of its family; raises pydantic's ValidationError where they are not.

    They are read as JSON, so that a list may stand for a tuple and nothing else is taken for what it is not.
    """
    return kind.model_validate_json(orjson.dumps(rule.params))
