from pathlib import Path

import pytest

from vaglio.errors import ConfigError
from vaglio.index.definitions import RegisterDefinition, RegisterKind, definition, definitions


def test_the_known_registers_are_there() -> None:
    """The registers of the law are known without any configuration."""
    known = definitions()
    assert {name for name, one in known.items() if one.kind is RegisterKind.QUERY} == {"rpo", "bloctel"}
    ages = {name: one.max_age_days for name, one in known.items()}
    assert (ages["rpo"], ages["tps"], ages["us-dnc"], ages["ca-dncl"]) == (15, 28, 31, 31)


def test_the_configuration_adds_registers_and_changes_single_keys() -> None:
    """A table with a known name changes only the keys it has."""
    known = definitions([{"name": "tps", "header": True}, {"name": "ours", "region": "IT"}])
    assert (known["tps"].header, known["tps"].region, known["ours"].region) == (True, "GB", "IT")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "tps", "colum": 3}, r"\[\[register\]\] tps: colum: unknown key"),
        ({"max_age_days": 3}, r"\[\[register\]\] number 1: name: missing"),
        ({"name": "own", "number_form": "national"}, "needs region"),
        ({"name": "own", "kind": "query"}, "needs the region"),
        ({"name": "own", "number_form": "national", "region": "AR"}, "international form"),
        ({"name": "own", "region": "QQ"}, "region: expected two letters"),
        ({"name": "Own"}, "name"),
    ],
)
def test_a_wrong_table_names_register_and_key(table: dict[str, object], message: str) -> None:
    """One line says which key of which register is wrong."""
    with pytest.raises(ConfigError, match=message):
        definitions([table])


def test_a_register_that_nobody_knows_is_named_with_those_known() -> None:
    """A typo is answered by the list of names."""
    with pytest.raises(ConfigError, match="unknown; known are bloctel, ca-dncl"):
        definition("tpss")


def test_a_register_stands_once() -> None:
    """Two tables of one name would leave open which one holds."""
    with pytest.raises(ConfigError, match="twice"):
        definitions([{"name": "own"}, {"name": "own"}])


def test_every_key_is_documented() -> None:
    """A key of `[[register]]` that the page does not tell of cannot be found by who needs it."""
    page = (Path(__file__).parents[2] / "docs" / "registers.md").read_text(encoding="utf-8")
    assert [key for key in RegisterDefinition.model_fields if f"`{key}`" not in page] == []
