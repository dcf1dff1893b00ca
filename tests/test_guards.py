"""Each guard of a list is in the code as the list says, and in its paper."""

import re
from itertools import chain

import pytest

from .guards import LISTS, ROOT, Guard, guards

ALL = list(chain.from_iterable(map(guards, LISTS)))


@pytest.mark.parametrize("guard", ALL, ids=lambda guard: guard.what)
def test_each_guard_can_be_taken_away(guard: Guard) -> None:
    assert (ROOT / guard.path).read_text().count(guard.old) == 1
    assert guard.old != guard.new


@pytest.mark.parametrize(("path", "paper"), LISTS.items())
def test_the_paper_has_a_table_of_them(path: str, paper: str) -> None:
    text = (ROOT / paper).read_text()
    told = re.findall(r"^\| ([^|]+) \| `([^`|]+)` \|$", text, re.M)
    assert told == [(guard.what, guard.test) for guard in guards(path)]
    assert len(told) > 20
