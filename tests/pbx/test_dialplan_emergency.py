"""The generated part of the dialplan."""

from pathlib import Path

import pytest

from vaglio.numbers import emergency_numbers
from vaglio.pbx.dialplan import emergency_conf

SHIPPED = Path(__file__).parents[2] / "asterisk-conf" / "vaglio-emergency.conf"
REGIONS = ("IT", "FR", "GB", "US", "ES", "DE", "CA")


def test_the_shipped_file_is_what_the_services_own_data_give() -> None:
    """Dialplan and service agree on every emergency number of the regions shipped for."""
    assert SHIPPED.read_text() == emergency_conf(emergency_numbers(REGIONS))


def test_112_is_always_there() -> None:
    """Even an empty set of regions leaves 112 open."""
    assert "exten => 112,1,Return()\n" in emergency_conf([])


def test_a_short_number_that_costs_money_is_not_there() -> None:
    """1240, a directory service in Italy, is short but no emergency."""
    assert "1240" not in SHIPPED.read_text()


@pytest.mark.parametrize("number", ["_X.", "1", "112,1,Dial(x)", "112\nexten => s", "1234567", "+112", "١١٢", ""])
def test_nothing_but_digits_becomes_an_extension(number: str) -> None:
    """A pattern, a line end or a long number would open the gate for others."""
    with pytest.raises(ValueError, match="emergency number"):
        emergency_conf([number])
