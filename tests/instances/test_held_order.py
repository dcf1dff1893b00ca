"""Rows that hold their order while somebody is about to use one of them."""

import re

import pytest
from django.test import Client

from dashboard.accounts.models import User
from dashboard.instances import listing
from dashboard.instances.models import Cloud
from tests.factories import make_instance

from .pages import rows_of
from .test_changes import LIST, change, next_poll


@pytest.fixture
def watcher(client: Client, viewer: User, cloud_row: Cloud) -> Client:
    """Somebody who looks at the list."""
    client.force_login(viewer)
    return client


def poll(client: Client, url: str, *held: int) -> str:
    order = ",".join(map(str, held))
    answer = client.get(url, headers={"Curfew-Held-Rows": order})
    assert answer.status_code == 200
    return answer.text


def test_a_held_table_gets_its_rows_one_by_one_and_hears_how_many_moved(
    watcher: Client,
) -> None:
    one, two = make_instance(stops_in=60), make_instance(stops_in=600)
    url = next_poll(watcher.get(LIST).text)
    change(two, stops_at=one.stops_at, description="sooner", name="0")
    change(one, stops_at=None, description="without end")
    text = poll(watcher, url, one.pk, two.pk)
    assert '<tbody id="rows"' not in text
    assert rows_of(text) == [str(one.pk), str(two.pk)]
    assert "Update order (1 row moved)" in text
    assert re.search(r'<p id="order"[^>]* hx-swap-oob="innerHTML">', text)
    # The next poll of a table that is no longer held brings the order.
    change(one, description="still without end")
    text = watcher.get(next_poll(text)).text
    assert rows_of(text) == [str(two.pk), str(one.pk)]
    assert '<tbody id="rows"' in text
    assert "Update order" not in text


def test_a_held_row_that_left_the_page_still_gets_its_news(watcher: Client) -> None:
    one, two = make_instance(), make_instance()
    url = next_poll(watcher.get(LIST, {"status": "RUNNING"}).text)
    change(one, status="STOPPED", stops_at=None)
    text = poll(watcher, url, one.pk, two.pk)
    assert rows_of(text) == [str(one.pk)]
    assert "Stopped" in text
    assert "Update order (1 row moved)" in text


def test_the_button_asks_for_all_rows_in_their_order(watcher: Client) -> None:
    one, two = make_instance(stops_in=60), make_instance(stops_in=600)
    url = next_poll(watcher.get(LIST, {"per_page": 50}).text)
    change(one, stops_at=None)
    found = re.search(
        r'id="refresh-order"[^>]* hx-get="([^"]+)"', poll(watcher, url, one.pk, two.pk)
    )
    assert found
    assert "per_page=50" in found[1]
    text = watcher.get(found[1].replace("&amp;", "&")).text
    assert rows_of(text) == [str(two.pk), str(one.pk)]


def test_a_held_order_that_is_still_right_is_no_news(watcher: Client) -> None:
    one, two = make_instance(stops_in=60), make_instance(stops_in=600)
    url = next_poll(watcher.get(LIST).text)
    change(two, description="other words")
    text = poll(watcher, url, one.pk, two.pk)
    assert rows_of(text) == [str(two.pk)]
    assert "Update order" not in text


def test_held_rows_show_nothing_of_what_one_may_not_see(
    client: Client, scientist: User, cloud_row: Cloud
) -> None:
    client.force_login(scientist)
    url = next_poll(client.get(LIST).text)
    foreign = make_instance(name="not-theirs")
    change(foreign)
    seen = rows_of(client.get(LIST).text)
    assert rows_of(poll(client, url, foreign.pk)) == seen


@pytest.mark.parametrize("held", ["x", "1,", "1;2", "-1", "9" * 40, "1," * 2_000 + "1"])
def test_garbage_for_held_rows_is_400(watcher: Client, held: str) -> None:
    make_instance()
    url = next_poll(watcher.get(LIST).text)
    assert watcher.get(url, headers={"Curfew-Held-Rows": held}).status_code == 400


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
