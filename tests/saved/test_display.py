"""How each person has the list drawn."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.instances.display import GROUP_VALUES, GROUPS, OPTIONAL
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.saved.models import ListDisplay
from tests.factories import make_instance
from tests.instances.pages import one_line, poll_of, rows_of

FLEET, SET = reverse("instances:list"), reverse("saved:set_display")


@pytest.fixture
def viewing(client: Client, viewer: User, cloud_row: Cloud) -> Client:
    client.force_login(viewer)
    return client


def choose(client: Client, *columns: str, **fields: str) -> str:
    """Send the menu's form, and return the page that it leads to."""
    data = {"columns": columns, "density": "comfortable", "query": "q=a&page=3"}
    answer = client.post(SET, data | fields)
    assert answer.headers["Location"] == f"{FLEET}?q=a"
    return one_line(client.get(f"{FLEET}?q=a").text)


def test_columns_density_and_zone_are_kept_for_the_person(
    viewing: Client, client: Client, viewer: User, operator: User
) -> None:
    make_instance(name="a", description="Nightly", owner_name="tom", flavor="v100")
    before = viewing.get(FLEET).text
    assert "Nightly" in before
    fields = {"density": "compact", "time_zone": "Asia/Tokyo"}
    page = choose(viewing, "owner", "workspace", **fields)
    assert re.findall(r'<th scope="col" class="col-([a-z-]+)"', page) == [
        *("name", "owner", "workspace", "stops", "auto-stop", "actions")
    ]
    assert "Nightly" not in page
    assert 'fleet-table" data-compact' in page
    assert " JST" in page
    assert "data-zone-chosen" in page
    # A poll of a page that was drawn before reloads it.
    FleetVersion.stamp()
    assert "HX-Refresh" in viewing.get(poll_of(before)).headers
    event = AuditEvent.objects.get(action="list.display_changed")
    assert event.after["time_zone"] == "Asia/Tokyo"
    choose(viewing, "owner", "workspace", **fields)
    assert AuditEvent.objects.filter(action="list.display_changed").count() == 1
    client.force_login(operator)
    page = client.get(FLEET).text
    assert "Nightly" in page
    assert "data-zone-chosen" not in page


def test_the_audit_trail_names_what_was_chosen(
    viewing: Client, client: Client, operator: User
) -> None:
    choose(viewing, *(OPTIONAL.keys() - {"price", "workspace"}), group="status")
    client.force_login(operator)
    page = one_line(client.get(reverse("audit:list")).text)
    assert "Price per hour, Workspace" in page
    assert "<bdi>Status</bdi>" in page


def test_mine_of_a_person_without_modelarts_users_says_so(
    viewing: Client, instance: Instance
) -> None:
    page = viewing.get(FLEET, {"owner": "@me"}).text
    assert rows_of(page) == []
    assert "No ModelArts user is mapped to your account." in page


@pytest.mark.parametrize("wrong", [{"time_zone": "Mars"}, {"density": "x"}])
def test_what_is_invalid_is_not_stored(viewing: Client, wrong: dict[str, str]) -> None:
    assert "Not saved." in choose(viewing, **wrong)
    assert not ListDisplay.objects.exists()


def test_groups_have_heads_with_their_number_on_all_pages(
    viewing: Client, viewer: User
) -> None:
    assert GROUPS.keys() == GROUP_VALUES.keys()
    for number in range(30):
        make_instance(name=f"a{number:02}", owner_name="anna", stops_in=60 + number)
    late = make_instance(name="late", owner_name="Tom", stops_in=1)
    choose(viewing, *OPTIONAL, group="owner")
    heads = r'<tr class="group".*?<bdi>(.*?)</bdi> <span class="soft">(\d+)'
    page = viewing.get(FLEET).text
    assert re.findall(heads, page, re.DOTALL) == [("anna", "30")]
    second = viewing.get(FLEET, {"page": 2}).text
    assert re.findall(heads, second, re.DOTALL) == [("anna", "30"), ("Tom", "1")]
    assert rows_of(second)[-1] == str(late.pk)
    # A group that has grown brings all rows, with their heads.
    Instance.objects.filter(pk=late.pk).update(owner_name="anna")
    FleetVersion.stamp(Instance.objects.filter(pk=late.pk))
    news = viewing.get(poll_of(page)).text
    assert re.findall(heads, news, re.DOTALL) == [("anna", "31")]
    # A page that names its rows gets the head, and the rows that are new on it.
    displayed = re.sub("instance-|(g)roup-", r"\1", ",".join(_names(page)))
    answer = viewing.get(poll_of(page), headers={"Curfew-Displayed-Rows": displayed})
    assert re.findall(heads, answer.text, re.DOTALL) == [("anna", "31")]
    old, *_rest = displayed.split(",")
    (new, *_rows) = re.findall(r"group-(\w+)", answer.text)
    entered, left = late.pk, _names(page)[-1].removeprefix("instance-")
    moves = answer.headers["Curfew-Row-Moves"]
    assert moves == f"-{old},-{left},g{new}:,{entered}:g{new}"
    assert rows_of(answer.text) == [str(late.pk)]
    for group in GROUPS:
        choose(viewing, group=group)
        assert re.search(heads, viewing.get(FLEET).text, re.DOTALL)


def _names(page: str) -> list[str]:
    return re.findall(r'<tr [^>]*?id="((?:instance|group)-\w+)"', page)
