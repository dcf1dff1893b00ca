"""Rows keep their order while the pointer or the focus is on one of them."""

import re

import hypothesis.strategies as st
import pytest
from django.http import HttpResponse
from django.test import Client
from hypothesis import given

from dashboard.accounts.models import User
from dashboard.instances import listing
from dashboard.instances.models import Cloud, Instance
from tests.factories import make_instance

from .pages import rows_of
from .test_changes import LIST, change, next_poll


@pytest.fixture
def watcher(client: Client, viewer: User, cloud_row: Cloud) -> Client:
    """A person who looks at the list."""
    client.force_login(viewer)
    return client


def poll(client: Client, url: str, *pinned: int) -> str:
    order = ",".join(map(str, pinned))
    answer = client.get(url, headers={"Curfew-Pinned-Rows": order})
    assert answer.status_code == 200
    return answer.text


def test_a_held_table_gets_single_rows_and_the_number_that_moved(
    watcher: Client,
) -> None:
    first, second = make_instance(stops_in=60), make_instance(stops_in=600)
    url = next_poll(watcher.get(LIST).text)
    change(second, stops_at=first.stops_at, description="sooner", name="0")
    change(first, stops_at=None, description="without end")
    text = poll(watcher, url, first.pk, second.pk)
    assert '<tbody id="rows"' not in text
    assert rows_of(text) == [str(first.pk), str(second.pk)]
    assert "1 row moved: refresh order" in text
    assert re.search(r'<p\s+id="order"[^>]*\shx-swap-oob="innerHTML"\s*>', text)
    # The next poll of a table that is no longer pinned brings the order.
    change(first, description="still without end")
    text = watcher.get(next_poll(text)).text
    assert rows_of(text) == [str(second.pk), str(first.pk)]
    assert '<tbody id="rows"' in text
    assert "refresh order" not in text


def test_a_held_row_that_left_the_page_still_gets_its_news(watcher: Client) -> None:
    first, second = make_instance(), make_instance()
    url = next_poll(watcher.get(LIST, {"status": "RUNNING"}).text)
    change(first, status="STOPPED", stops_at=None)
    text = poll(watcher, url, first.pk, second.pk)
    assert rows_of(text) == [str(first.pk)]
    assert "Stopped" in text
    assert "1 row moved: refresh order" in text


def test_the_button_asks_for_all_rows_in_their_order(watcher: Client) -> None:
    first, second = make_instance(stops_in=60), make_instance(stops_in=600)
    url = next_poll(watcher.get(LIST, {"per_page": 50}).text)
    change(first, stops_at=None)
    match = re.search(
        r'id="refresh-order"[^>]*\shx-get="([^"]+)"',
        poll(watcher, url, first.pk, second.pk),
    )
    assert match
    assert "per_page=50" in match[1]
    text = watcher.get(match[1].replace("&amp;", "&")).text
    assert rows_of(text) == [str(second.pk), str(first.pk)]


def test_a_held_order_that_is_still_right_is_no_news(watcher: Client) -> None:
    first, second = make_instance(stops_in=60), make_instance(stops_in=600)
    url = next_poll(watcher.get(LIST).text)
    change(second, description="other words")
    text = poll(watcher, url, first.pk, second.pk)
    assert rows_of(text) == [str(second.pk)]
    assert "refresh order" not in text


def test_pinned_rows_show_no_invisible_instance(
    client: Client, scientist: User, cloud_row: Cloud
) -> None:
    client.force_login(scientist)
    url = next_poll(client.get(LIST).text)
    foreign = make_instance(name="not-theirs")
    change(foreign)
    displayed = rows_of(client.get(LIST).text)
    assert rows_of(poll(client, url, foreign.pk)) == displayed


@pytest.mark.parametrize(
    "pinned", ["x", "1,", "1;2", "-1", "9" * 40, "1," * 2_000 + "1"]
)
def test_garbage_for_pinned_rows_is_400(watcher: Client, pinned: str) -> None:
    make_instance()
    url = next_poll(watcher.get(LIST).text)
    assert watcher.get(url, headers={"Curfew-Pinned-Rows": pinned}).status_code == 400


@pytest.mark.parametrize(
    ("drawn", "current", "expected"),
    [
        ([1, 2, 3], [1, 2, 3], 0),
        ([1, 2, 3], [3, 1, 2], 1),
        ([1, 2, 3], [3, 2, 1], 2),
        ([1, 2, 3], [4, 1, 2], 2),
        ([1, 2, 3], [1, 2], 1),
        ([1], [], 1),
        ([], [7, 8], 2),
    ],
)
def test_only_the_fewest_rows_that_must_move_are_counted(
    drawn: list[int], current: list[int], expected: int
) -> None:
    assert listing.moved(drawn, current) == expected
    moves = listing.moves(list(map(str, drawn)), list(map(str, current)))
    assert len(moves) == expected
    assert carried_out(list(map(str, drawn)), moves) == list(map(str, current))


def carried_out(rows: list[str], moves: list[str]) -> list[str]:
    """The order that a browser shows afterwards."""
    for move in moves:
        if move.startswith("-"):
            rows.remove(move[1:])
            continue
        row, previous = move.split(":")
        if row in rows:
            rows.remove(row)
        rows.insert(rows.index(previous) + 1 if previous else 0, row)
    return rows


@given(
    st.lists(st.integers(0, 12), unique=True), st.lists(st.integers(0, 12), unique=True)
)
def test_the_moves_lead_from_any_order_to_any_other(
    drawn: list[int], current: list[int]
) -> None:
    before, after = list(map(str, drawn)), list(map(str, current))
    assert carried_out([*before], listing.moves(before, after)) == after


class TestMoves:
    """The answer for a table that may move: only what is new or changed."""

    def poll(self, client: Client, page: str) -> HttpResponse:
        displayed = ",".join(names_of(page))
        return client.get(next_poll(page), headers={"Curfew-Displayed-Rows": displayed})

    def test_a_changed_row_moves_and_comes_alone(self, watcher: Client) -> None:
        first, second = make_instance(stops_in=60), make_instance(stops_in=600)
        third = make_instance(stops_in=6_000)
        page = watcher.get(LIST).text
        change(third, stops_at=first.stops_at, name="0")
        answer = self.poll(watcher, page)
        assert answer.headers["Curfew-Row-Moves"] == f"{third.pk}:"
        assert rows_of(answer.text) == [str(third.pk)]
        assert '<tbody id="rows"' not in answer.text
        assert second.name not in answer.text

    def test_rows_that_leave_and_enter(self, watcher: Client) -> None:
        rows = [make_instance(name=f"{number:02}") for number in range(26)]
        page = watcher.get(LIST, {"sort": "name"}).text
        change(rows[0], name="last")
        answer = self.poll(watcher, page)
        entering = rows[25].pk  # from the second page, and not changed
        moves = f"-{rows[0].pk},{entering}:{rows[24].pk}"
        assert answer.headers["Curfew-Row-Moves"] == moves
        assert rows_of(answer.text) == [str(entering)]

    def test_a_page_without_any_of_the_rows_gets_all(self, watcher: Client) -> None:
        first, second = make_instance(stops_in=60), make_instance(stops_in=600)
        page = watcher.get(LIST).text
        Instance.objects.filter(pk=first.pk).delete()
        change(second)
        answer = watcher.get(
            next_poll(page), headers={"Curfew-Displayed-Rows": str(first.pk)}
        )
        assert '<tbody id="rows"' in answer.text
        assert "Curfew-Row-Moves" not in answer.headers

    def test_the_button_asks_only_for_what_moved(self, watcher: Client) -> None:
        first, second = make_instance(stops_in=60), make_instance(stops_in=600)
        page = watcher.get(LIST).text
        change(first, stops_at=None)
        text = poll(watcher, next_poll(page), first.pk, second.pk)
        button = re.search(r'id="refresh-order"[^>]*\shx-get="([^"]+)"', text)
        assert button
        answer = watcher.get(
            button[1].replace("&amp;", "&"),
            headers={"Curfew-Displayed-Rows": f"{first.pk},{second.pk}"},
        )
        assert answer.headers["Curfew-Row-Moves"] == f"{second.pk}:"
        assert rows_of(answer.text) == []

    @pytest.mark.parametrize("displayed", ["x", "1,", "-1", "gx", "g12", "1,," * 3_000])
    def test_garbage_is_400(self, watcher: Client, displayed: str) -> None:
        make_instance()
        url = next_poll(watcher.get(LIST).text)
        headers = {"Curfew-Displayed-Rows": displayed}
        assert watcher.get(url, headers=headers).status_code == 400


def names_of(page: str) -> list[str]:
    """The rows of a page as its script names them."""
    rows = re.findall(r'<tr [^>]*?id="(instance-\d+|group-\w+)"', page)
    return [row.replace("instance-", "").replace("group-", "g") for row in rows]
