"""Which instances the list's address asks for, and in which order."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import QueryDict

from dashboard.accounts.models import CloudUser, User
from dashboard.accounts.teams import save_team
from dashboard.instances import run_state
from dashboard.instances.filter_fields import ValuesField
from dashboard.instances.filters import AUTO_STOP_OFF, ListForm, ListQuery, ordered
from dashboard.instances.models import Cloud, Instance
from tests.factories import make_cloud, make_instance, make_notebook

pytestmark = pytest.mark.django_db


def names(address: str) -> list[str]:
    instances = ListQuery(QueryDict(address)).apply(
        Instance.objects.all(), user=AnonymousUser()
    )
    return [instance.name for instance in instances]


def make(*stops_in: tuple[str, float | None]) -> None:
    for name, seconds in stops_in:
        make_instance(
            name=name, stops_in=seconds, status="RUNNING" if seconds else "STOPPED"
        )


@pytest.mark.parametrize(
    "text",
    ["Prüfstand", "PRÜFSTAND", "ranking", "anna", "DE-77", "stand anna", "  rank  "],
)
def test_search_covers_name_description_owner_and_id(text: str) -> None:
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
    # The lease of the last run says nothing about the next one.
    make_notebook(name="lab", status="STOPPED", auto_stop_enable=False)
    make_notebook(name="lab-2", status="STOPPED", auto_stop_enable=True)
    make_notebook(name="unused", idle_seconds=3600)
    coming = ["overdue", "stopping", "soon", "later"]
    assert names("autostop=on") == [*coming, "silent", "unused"]
    assert names("autostop=off") == ["free", "idle"]
    assert names("autostop=due") == ["overdue", "stopping", "soon"]
    assert names("autostop=overdue") == ["overdue"]
    # The setting does not tell: a run whose stop ModelArts does not name has no end.
    assert names("autostop=never") == ["free", "silent"]
    assert names("autostop=idle") == ["unused"]


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
def test_flavor_type_in_any_case(spelled: str) -> None:
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


def test_by_the_teams_of_its_owner_and_workspace(scientist: User) -> None:
    vision = save_team(name="Vision", owners=["id-2"], workspaces=["7"], actor=None)
    save_team(name="Language", members=[scientist], actor=None)
    make_instance(name="a", owner_name="tom", owner_id="id-2", workspace_id="0")
    make_instance(name="b", owner_name="li", owner_id="id-3", workspace_id="7")
    make_instance(name="c", owner_name="anna.schmidt", workspace_id="0")
    make_instance(name="d", owner_name="", owner_id="", workspace_id="")
    assert "".join(sorted(names("team=Vision"))) == "ab"
    assert "".join(sorted(names("team=Vision&team=Language"))) == "abc"
    assert "".join(sorted(names("team=!Vision"))) == "cd"
    assert "".join(sorted(names("team=vision"))) == ""
    vision.members.add(scientist)
    assert "".join(sorted(names("team=Vision"))) == "abc", "teams are not cached"


def test_by_the_generation_of_its_api() -> None:
    make_instance(name="old")
    make_notebook(name="new")
    assert names("generation=demanager") == ["old"]
    assert names("generation=notebooks") == ["new"]
    assert ListQuery(QueryDict("generation=2")).ignored == ["generation=2"]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("team", ["nlp", "vision"]),
        ("team=nlp", ["nlp"]),
        ("team=", []),
        ("2026", ["nlp"]),
        ("2026=yes", ["nlp"]),
        ("a=b", ["vision"]),
        ("a=b=c=d", ["vision"]),
        ("a=b=c", []),
        ("nothing", []),
        ("nlp", []),
        ('team"', []),
        ("te\\am", []),
        ("prüfung.eins", ["vision"]),
    ],
)
def test_by_a_tag_or_its_value(tag: str, expected: list[str]) -> None:
    make_notebook(name="nlp", tags={"team": "nlp", "2026": "yes"})
    make_notebook(
        name="vision", tags={"team": "vision", "a=b": "c=d", "prüfung.eins": ""}
    )
    make_notebook(name="untagged", tags={})
    query = QueryDict(mutable=True)
    query["tag"] = tag
    assert names(query.urlencode()) == expected


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


def test_the_database_counts_settings_without_reading_rows() -> None:
    rows = Instance.objects.filter(AUTO_STOP_OFF).values_list("missing_since")
    assert "COVERING INDEX instance_of_auto_stop" in rows.explain()


@pytest.mark.parametrize("name", ["ends_within_hour", "overdue", "ends_within_quarter"])
def test_the_database_counts_runs_by_an_index(name: str) -> None:
    ends = getattr(run_state, name)(datetime.now(UTC))
    for condition in (ends, run_state.RUNNING, run_state.WITHOUT_END):
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


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("status=RUNNING&status=STOPPED", "a b c"),
        ("status=!RUNNING", "b c d"),
        ("status=!running&status=!Stopped", "d"),
        ("status=RUNNING&status=STOPPED&status=!STOPPED", "a"),
        ("owner=li.wei&owner=u2", "a b"),
        ("owner=!li.wei&owner=!u2", "c d"),
        ("flavor_type=gpu&flavor_type=cpu&owner=!tom", "a c"),
        ("tag=team&tag=!team%3Dnlp", "c"),
        ("tag=!team%3Dnlp", "b c d"),
        ("autostop=!due&autostop=on", "b c d"),
        ("cloud=!lab", "b c d"),
    ],
)
def test_several_values_and_their_opposites(address: str, expected: str) -> None:
    many = {"auto_stop_enable": True}
    lab: Cloud = make_cloud("lab")
    make_instance(
        name="a",
        owner_name="li.wei",
        flavor_type="GPU",
        cloud=lab,
        stops_in=600,
        **many,
    )
    make_instance(name="b", owner_name="tom", owner_id="u2", status="STOPPED", **many)
    make_instance(name="c", flavor_type="CPU", status="STOPPED", **many)
    make_instance(name="d", flavor_type="ASCEND", status="ERROR", **many)
    Instance.objects.filter(name="a").update(tags={"team": "nlp"})
    Instance.objects.filter(name="c").update(tags={"team": "vision"})
    Instance.objects.filter(name="b").update(flavor_type="CPU")
    assert sorted(names(address)) == expected.split()


def test_a_query_has_one_spelling_of_several_values() -> None:
    query = ListQuery(QueryDict("status=!stopped&status=running&status=RUNNING&x=1"))
    assert query.kept.urlencode() == "status=RUNNING&status=%21STOPPED"
    assert query.narrowed == (("status", "RUNNING"), ("status", "!STOPPED"))
    assert query.lists == {"status": ["RUNNING", "!STOPPED"]}
    query = ListQuery(QueryDict("autostop=due&autostop=maybe"))
    assert query.ignored == ["autostop=due", "autostop=maybe"]


def test_mine_are_those_of_the_mapped_modelarts_users(scientist: User) -> None:
    make_instance(name="a", owner_name="anna.schmidt")
    make_instance(name="b", owner_name="tom")
    mine, others = (ListQuery(QueryDict(f"owner={m}@me")) for m in ("", "!"))
    everything = Instance.objects.all()
    assert [item.name for item in mine.narrow(everything, user=scientist)] == ["a"]
    assert [item.name for item in others.narrow(everything, user=scientist)] == ["b"]
    assert names("owner=@me") == []
    assert mine.narrowed == (("owner", "@me"),)
    # Too many for a filter: none is shown instead of everyone's.
    users = (
        CloudUser(account=scientist, identifier=f"u{number}")
        for number in range(ValuesField.MAX_VALUES)
    )
    CloudUser.objects.bulk_create(users)
    scientist.refresh_from_db()
    assert not mine.narrow(everything, user=scientist)


def test_links_keep_what_was_chosen_and_nothing_else() -> None:
    query = ListQuery(QueryDict("q=x&status=running&since=4&layout=ab&utm=1&owner="))
    kept: Iterable[tuple[str, object]] = query.kept.items()
    assert dict(kept) == {"q": "x", "status": "RUNNING"}
    assert query.active_filters == ["q", "status"]
