"""Which instances the list's address asks for, and in which order."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict

from dashboard.instances import run_state
from dashboard.instances.filters import ListForm, ListQuery, ordered
from dashboard.instances.models import Cloud, Instance
from tests.factories import make_cloud, make_instance

pytestmark = pytest.mark.django_db


def names(address: str) -> list[str]:
    found = ListQuery(QueryDict(address)).apply(Instance.objects.all())
    return [instance.name for instance in found]


def make(*stops_in: tuple[str, float | None]) -> None:
    for name, seconds in stops_in:
        make_instance(
            name=name, stops_in=seconds, status="RUNNING" if seconds else "STOPPED"
        )


@pytest.mark.parametrize(
    "text",
    ["Prüfstand", "PRÜFSTAND", "ranking", "anna", "DE-77", "stand anna", "  rank  "],
)
def test_search_looks_at_name_description_owner_and_id(text: str) -> None:
    make_instance(
        name="prüfstand",
        description="Ranking model",
        owner_name="anna.schmidt",
        instance_id="DE-77",
    )
    make_instance(name="other", description="", owner_name="tom", instance_id="DE-1")
    assert names(f"q={text}") == ["prüfstand"]


@pytest.mark.parametrize("wildcard", ["%", "_", "\\"])
def test_search_knows_no_wildcards(wildcard: str) -> None:
    make_instance(name="plain", description="")
    query = QueryDict(mutable=True)
    query["q"] = wildcard
    assert names(query.urlencode()) == []


def test_status_is_the_present_one() -> None:
    make_instance(name="here")
    make_instance(name="gone", missing_since=datetime.now(UTC))
    assert names("status=RUNNING") == ["here"]
    assert names("status=running") == ["here"]
    assert names("status=MISSING") == ["gone"]
    assert names("status=RESIZE_FAILED") == []


def test_auto_stop_as_a_setting_and_as_the_end_of_this_run() -> None:
    make_instance(name="soon", stops_in=3_500)
    make_instance(name="later", stops_in=3_700)
    make_instance(name="stopping", stops_in=-60)
    make_instance(name="overdue", stops_in=-600)
    make_instance(name="free", stops_in=None, auto_stop_enable=False)
    make_instance(name="silent", stops_in=None)
    make_instance(name="idle", status="STOPPED", auto_stop_enable=False)
    make_instance(name="gone", stops_in=60, missing_since=datetime.now(UTC))
    coming = ["overdue", "stopping", "soon", "later"]
    assert names("autostop=on") == [*coming, "silent"]
    assert names("autostop=off") == ["free", "idle"]
    assert names("autostop=due") == ["overdue", "stopping", "soon"]
    assert names("autostop=overdue") == ["overdue"]
    # The setting does not tell: a run whose stop ModelArts does not name has no end.
    assert names("autostop=never") == ["free", "silent"]


def test_by_when_this_run_stops() -> None:
    at = datetime(2026, 11, 29, 4, 30, tzinfo=UTC)
    for name, minutes in [("before", -1), ("first", 0), ("last", 29), ("after", 30)]:
        make_instance(name=name, stops_at=at + timedelta(minutes=minutes))
    make_instance(name="no_auto_stop", stops_in=None)
    make_instance(name="idle", status="STOPPED", stops_at=at)
    begins, ends = "2026-11-29T04:30:00Z", "2026-11-29T05:00:00Z"
    assert names(f"stops_from={begins}&stops_before={ends}") == ["first", "last"]
    assert names(f"stops_before={begins}") == ["before"]
    assert names(f"stops_from={ends}") == ["after"]
    query = ListQuery(QueryDict("stops_from=tomorrow&q=x"))
    assert query.ignored == ["stops_from=tomorrow"]
    assert query.linked == {}


def test_by_the_exact_flavor() -> None:
    make_instance(name="small", flavor="modelarts.vm.cpu.2u")
    make_instance(name="large", flavor="modelarts.vm.cpu.2u.d")
    assert names("flavor=modelarts.vm.cpu.2u") == ["small"]


@pytest.mark.parametrize("spelled", ["ASCEND", "ascend", "Ascend"])
def test_flavour_type_in_any_case(spelled: str) -> None:
    make_instance(name="npu", flavor_type="ASCEND")
    make_instance(name="gpu", flavor_type="GPU")
    assert names(f"flavor_type={spelled}") == ["npu"]


def test_owner_by_name_or_id_cloud_and_workspace() -> None:
    lab: Cloud = make_cloud("lab")
    make_instance(name="a", owner_name="li.wei", owner_id="u1", workspace_id="w1")
    make_instance(name="b", owner_name="tom", owner_id="u2", cloud=lab)
    assert names("owner=li.wei") == names("owner=u1") == ["a"]
    assert names("cloud=lab") == ["b"]
    assert names("workspace=w1") == ["a"]
    assert names("owner=nobody") == []


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", ["overdue", "soon", "later", "unending", "gone", "idle"]),
        ("stops_in", ["overdue", "soon", "later", "unending", "gone", "idle"]),
        ("-stops_in", ["unending", "later", "soon", "overdue", "idle", "gone"]),
        ("name", ["gone", "idle", "later", "overdue", "soon", "unending"]),
        ("-name", ["unending", "soon", "overdue", "later", "idle", "gone"]),
        ("status", ["gone", "later", "overdue", "soon", "unending", "idle"]),
    ],
)
def test_order(sort: str, expected: list[str]) -> None:
    make(("idle", None), ("later", 9_000), ("soon", 60), ("overdue", -60))
    make_instance(name="unending", stops_in=None, auto_stop_enable=False)
    make_instance(name="gone", stops_in=None, missing_since=datetime.now(UTC))
    assert names(f"sort={sort}") == expected


@pytest.mark.parametrize(
    "sort", [name for key in ListForm.SORTS for name in (key, f"-{key}")]
)
def test_the_database_reads_each_order_off_an_index(sort: str) -> None:
    rows = ordered(Instance.objects.all(), sort).values_list("pk", "version")
    plan = rows[:100].explain()
    assert "USING INDEX instance_by_" in plan or "COVERING INDEX" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("asked", ["due", "overdue", "soon"])
def test_the_database_counts_runs_by_an_index(asked: str) -> None:
    wanted = getattr(run_state, asked)(datetime.now(UTC))
    for condition in (wanted, run_state.RUNNING, run_state.WITHOUT_END):
        plan = Instance.objects.filter(condition).values_list("version").explain()
        assert "(is_running=?" in plan


def test_names_and_owners_are_ordered_without_case() -> None:
    make_instance(name="b", owner_name="Anna")
    make_instance(name="A", owner_name="bert")
    assert names("sort=name") == ["A", "b"]
    assert names("sort=owner") == ["b", "A"]


def test_what_has_no_value_comes_last_in_both_directions() -> None:
    make_instance(name="unknown", updated_at=None)
    make_instance(name="old", updated_at=datetime.now(UTC) - timedelta(days=9))
    make_instance(name="new")
    assert names("sort=updated") == ["old", "new", "unknown"]
    assert names("sort=-updated") == ["new", "old", "unknown"]


def test_a_vanished_instance_is_not_the_next_to_stop() -> None:
    make_instance(name="gone", stops_in=-999, missing_since=datetime.now(UTC))
    make_instance(name="here", stops_in=600)
    assert names("") == ["here", "gone"]


@pytest.mark.parametrize(
    "part",
    [
        "sort=upwards",
        "sort=name,owner",
        "page=abc",
        "page=0",
        "page=99999999999999999999",
        "per_page=7",
        "autostop=maybe",
        "flavor_type=banana",
        "q=%00",
    ],
)
def test_garbage_is_ignored_and_named(part: str) -> None:
    make_instance(name="here")
    query = ListQuery(QueryDict(f"{part}&status=RUNNING"))
    assert [item.split("=")[0] for item in query.ignored] == [part.split("=")[0]]
    assert dict(query.kept.items()) == {"status": "RUNNING"}
    assert names(part) == ["here"]


@pytest.mark.parametrize("status", ["bogus", "%00", "RUNNING,STOPPED", "x" * 70])
def test_a_status_that_there_is_not_is_ignored_until_there_is(status: str) -> None:
    make_instance(name="here", status="SNAPSHOTTING")
    query = ListQuery.of(QueryDict(f"status={status}&q=here"))
    assert [item.split("=")[0] for item in query.ignored] == ["status"]
    assert dict(query.kept.items()) == {"q": "here"}
    assert names(f"status={status}") == ["here"]
    assert not ListQuery.of(QueryDict("status=snapshotting")).ignored
    assert not ListQuery.of(QueryDict("status=resize_failed")).ignored


def test_links_keep_what_was_chosen_and_nothing_else() -> None:
    query = ListQuery(QueryDict("q=x&status=running&since=4&layout=ab&utm=1&owner="))
    kept: Iterable[tuple[str, object]] = query.kept.items()
    assert dict(kept) == {"q": "x", "status": "RUNNING"}
    assert query.active_filters == ["q", "status"]
