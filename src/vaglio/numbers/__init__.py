"""A dialled string → E.164, its country, zones and kind, on the metadata of libphonenumber.

`parse` reads what a dialplan passes, `parse_e164` what a file holds; neither ever raises. `emergency_numbers`
is the one source of the numbers that pass before anything is asked, in the service and in the dialplan.
"""

from vaglio.numbers.dialled import MAX_TEXT, parse, parse_e164, warm
from vaglio.numbers.emergency import emergency_numbers
from vaglio.numbers.number import Kind, Number, Problem
from vaglio.numbers.zones import country_zones

__all__ = [
    "MAX_TEXT",
    "Kind",
    "Number",
    "Problem",
    "country_zones",
    "emergency_numbers",
    "parse",
    "parse_e164",
    "warm",
]
