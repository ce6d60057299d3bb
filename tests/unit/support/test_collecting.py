"""Files of systems and of units in turn; each as a whole, each once."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.collecting import mixed


@dataclass
class Test:
    __test__ = False
    nodeid: str


def of(*files: str) -> list[Any]:
    return [Test(f"tests/{file}.py::test_{number}") for file in files for number in range(2)]


def test_units_come_between_systems_and_at_the_end():
    units = [f"unit/u{number}" for number in range(10)]
    items = of("chaos/a", "e2e/b", *units)
    order = mixed(items)
    assert sorted(map(id, order)) == sorted(map(id, items))
    assert [each.nodeid.partition("::")[0][6:-3] for each in order[::2]] == [
        *("chaos/a", *units[:4]),
        *("e2e/b", *units[4:8]),
        *units[8:],
    ]


@pytest.mark.parametrize("files", [(), ("unit/a", "unit/b"), ("e2e/a", "e2e/b"), ("e2e/a", "unit/b")])
def test_of_one_kind_or_of_few_the_order_stays(files: tuple[str, ...]):
    items = of(*files)
    assert mixed(items) == items
