"""Write the table of US states, their area codes and zones, from libphonenumber's metadata.

Run by hand after an update of `phonenumbers`: scripts/us_states.py > src/vaglio/rules/data/us-states.toml
"""

import sys
from collections import defaultdict

from phonenumbers.geodata import GEOCODE_DATA
from phonenumbers.tzdata import TIMEZONE_DATA

from vaglio.numbers import country_zones

NAMES = {
    "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA", "Colorado": "CO",
    "Connecticut": "CT", "Delaware": "DE", "Florida": "FL", "Georgia": "GA", "Hawaii": "HI", "Idaho": "ID",
    "Illinois": "IL", "Indiana": "IN", "Iowa": "IA", "Kansas": "KS", "Kentucky": "KY", "Louisiana": "LA",
    "Maine": "ME", "Maryland": "MD", "Massachusetts": "MA", "Michigan": "MI", "Minnesota": "MN",
    "Mississippi": "MS", "Missouri": "MO", "Montana": "MT", "Nebraska": "NE", "Nevada": "NV",
    "New Hampshire": "NH", "New Jersey": "NJ", "New Mexico": "NM", "New York": "NY", "North Carolina": "NC",
    "North Dakota": "ND", "Ohio": "OH", "Oklahoma": "OK", "Oregon": "OR", "Pennsylvania": "PA",
    "Rhode Island": "RI", "South Carolina": "SC", "South Dakota": "SD", "Tennessee": "TN", "Texas": "TX",
    "Utah": "UT", "Vermont": "VT", "Virginia": "VA", "Washington State": "WA", "Washington D.C.": "DC",
    "West Virginia": "WV", "Wisconsin": "WI", "Wyoming": "WY",
}  # fmt: skip
"""libphonenumber's names of states; a city is named with its state behind a comma."""


def states_of(area: str) -> set[str]:
    """The states that the names behind an area code speak of: of the whole code, else of its exchanges."""
    whole = GEOCODE_DATA.get(f"1{area}", {}).get("en")
    places = (
        [whole]
        if whole
        else [names.get("en", "") for key, names in GEOCODE_DATA.items() if key.startswith(f"1{area}")]
    )
    found = {NAMES.get(place) or place.rpartition(", ")[2] for place in places}
    return found & set(NAMES.values())


def table() -> str:
    """The TOML text, states in order."""
    codes: dict[str, list[str]] = defaultdict(list)
    zones: dict[str, set[str]] = defaultdict(set)
    own = set(country_zones("US"))
    for area in range(200, 1000):
        for state in states_of(str(area)):
            codes[state].append(str(area))
            for key, names in TIMEZONE_DATA.items():
                if key.startswith(f"1{area}"):
                    zones[state] |= own & set(names)
    lines = [
        "# US states: area codes and zones, from libphonenumber's geocoder and time-zone data.",
        "# Written by scripts/us_states.py; an area code that is not here may lie in any state.",
        "",
        "[state]",
    ]
    for state in sorted(codes):
        listed = ", ".join(f'"{code}"' for code in codes[state])
        named = ", ".join(f'"{zone}"' for zone in sorted(zones[state]))
        lines.append(f"{state} = {{ zones = [{named}], area_codes = [{listed}] }}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
