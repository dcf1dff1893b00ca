"""The list of all edits."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.edits.services import submit_edit
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.livepoll import changes, state
from dashboard.web import process_cache
from tests import factories
from tests.instances.polls import ask, draw

from .conftest import HTMX, finish

LIST = "/edits/"


def submit(instance: Instance, actor: User, text: str) -> Edit:
    base = {"description": None}
    return submit_edit(
        instance=instance, actor=actor, patch={"description": text}, base=base
    )


def shown(as_operator: Client, query: str = "") -> list[Edit]:
    return list(as_operator.get(LIST + query).context["page"])


@pytest.fixture
def edits(instance: Instance, edit: Edit, operator: User, admin: User) -> list[Edit]:
    """Three, oldest first: by the operator, by the admin, by the admin elsewhere."""
    elsewhere = factories.make_instance(
        cloud=factories.make_cloud("other"), name="forecast", search_text="forecast"
    )
    return [edit, submit(instance, admin, "two"), submit(elsewhere, admin, "three")]


def test_the_newest_stands_first(as_operator: Client, edits: list[Edit]) -> None:
    assert shown(as_operator) == edits[::-1]
    html = as_operator.get(LIST).content.decode()
    assert f'data-edit="{edits[0].pk}" data-state="queued"' in html


@pytest.mark.parametrize("person", ["viewer", "stranger"])
def test_everybody_sees_the_team_s_edits(
    client: Client, edits: list[Edit], person: str, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(person))
    assert shown(client) == edits[::-1]


def test_filters(as_operator: Client, edits: list[Edit]) -> None:
    first, second, third = edits
    finish(first, "failed")
    assert shown(as_operator, "?state=failed") == [first]
    assert shown(as_operator, "?state=open") == [third, second]
    assert shown(as_operator, "?actor=admin") == [third, second]
    assert shown(as_operator, "?mine=on") == [first]
    assert shown(as_operator, "?cloud=other") == [third]
    assert shown(as_operator, "?q=FORECAST") == [third]
    assert shown(as_operator, "?q=forecast+nothing") == []
    assert shown(as_operator, "?actor=admin&cloud=demo") == [second]


@pytest.mark.parametrize(
    "query", ["?state=nonsense", "?actor=nobody", "?cloud=none", "?q=%00"]
)
def test_what_makes_no_sense_is_ignored_and_said(
    as_operator: Client, edits: list[Edit], query: str
) -> None:
    answer = as_operator.get(LIST + query)
    assert list(answer.context["page"]) == edits[::-1]
    assert "Ignored unsupported filter" in answer.content.decode()


@pytest.mark.parametrize("query", ["?page=0", "?page=999", "?page=x", "?per_page=7"])
def test_pages_that_do_not_exist_lead_to_one_that_does(
    as_operator: Client, edits: list[Edit], query: str
) -> None:
    assert shown(as_operator, query) == edits[::-1]


def test_pages(as_operator: Client, instance: Instance, operator: User) -> None:
    made = [submit(instance, operator, f"text {number}") for number in range(27)]
    assert shown(as_operator) == made[:1:-1]
    assert shown(as_operator, "?page=2") == made[1::-1]
    assert len(shown(as_operator, "?per_page=50")) == 27
    assert "?page=2" in as_operator.get(LIST).content.decode()


def test_nothing_yet_and_nothing_matches_are_told_apart(as_operator: Client) -> None:
    assert "No changes yet" in as_operator.get(LIST).content.decode()
    assert "No matching changes" in as_operator.get(LIST + "?q=x").content.decode()


def test_the_number_of_queries_does_not_grow(
    as_operator: Client,
    instance: Instance,
    operator: User,
    django_assert_num_queries: Any,
) -> None:
    submit(instance, operator, "one")
    as_operator.get(LIST)
    # Session, user, numbers of the frame, version, count, what polls compare, clouds,
    # edits, three selects.
    with django_assert_num_queries(11):
        as_operator.get(LIST)
    for number in range(10):
        submit(factories.make_instance(), operator, f"text {number}")
    with django_assert_num_queries(11):
        as_operator.get(LIST)


def poll_of(html: str) -> str:
    found = re.search(r'<div id="poller"[^>]*\shx-get="([^"]+)"', html)
    assert found
    return found[1].replace("&amp;", "&")


def test_a_poll_without_news_is_204(as_operator: Client, edits: list[Edit]) -> None:
    poll = poll_of(as_operator.get(LIST).text)
    assert as_operator.get(poll).status_code == 204


def test_a_poll_sends_the_edit_whose_state_changed(
    as_operator: Client, edits: list[Edit]
) -> None:
    page = as_operator.get(LIST).text
    assert 'data-interval="1"' in page
    for edit in edits:
        finish(edit, "applied")
    FleetVersion.stamp(Instance.objects.filter(pk=edits[2].instance_id))
    answer = as_operator.get(poll_of(page)).text
    assert re.findall(r'<tr id="edit-([\w-]+)"', answer) == [str(edits[2].pk)]
    assert 'data-state="applied"' in answer
    # Rows first, or the browser's parser drops them.
    assert answer.lstrip().startswith("<tr")
    assert 'data-interval="5"' in answer
    assert as_operator.get(poll_of(answer)).status_code == 204


def test_a_poll_sends_all_when_one_came_or_no_longer_matches(
    as_operator: Client, edits: list[Edit], admin: User
) -> None:
    everything = poll_of(as_operator.get(LIST).text)
    waiting = poll_of(as_operator.get(f"{LIST}?state=open&per_page=50").text)
    assert "state=open" in waiting
    assert "per_page=50" in waiting
    finish(edits[0], "applied")
    late = submit(edits[0].instance, admin, "four")
    answer = as_operator.get(everything).text
    assert '<div id="results" class="stack" hx-swap-oob="true">' in answer
    assert f'id="edit-{late.pk}"' in answer
    answer = as_operator.get(waiting).text
    assert f'id="edit-{late.pk}"' in answer
    assert f'id="edit-{edits[0].pk}"' not in answer


@pytest.mark.usefixtures("_fresh_news")
class TestPollToken:
    """A poll of a page that shows the same is answered in front of Django."""

    @pytest.fixture
    def drawn(self, as_operator: Client, edits: list[Edit]) -> str:
        changes.read()  # the log begins
        return draw(as_operator, "edits:list", state="open")

    def test_of_other_instances(self, as_operator: Client, drawn: str) -> None:
        change(factories.make_instance(name="without edits"))
        answer = ask(as_operator, drawn)
        assert (answer.status, answer.was_quick) == ("204 No Content", True)

    def test_what_django_finds(self, as_operator: Client, drawn: str) -> None:
        change(factories.make_instance(name="without edits"))
        process_cache.clear_all()
        answer = ask(as_operator, drawn)
        assert (answer.status, answer.was_quick) == ("204 No Content", False)
        assert answer.news["poll_token"]

    def test_news(
        self, as_operator: Client, drawn: str, edits: list[Edit], admin: User
    ) -> None:
        submit(factories.make_instance(name="with a new one"), admin, "four")
        state.put_version(FleetVersion.current())
        answer = ask(as_operator, drawn)
        assert answer.status == "200 OK"
        drawn = answer.body.decode()
        finish(edits[0], "applied")
        change(edits[0].instance)
        answer = ask(as_operator, drawn)
        assert answer.status == "200 OK"
        drawn = answer.body.decode()
        Edit.objects.filter(pk=edits[2].pk).update(state="sending")
        change(edits[2].instance)
        assert ask(as_operator, drawn).status == "200 OK"

    def test_clouds(self, as_operator: Client, drawn: str) -> None:
        """An edit that waits for its cloud says so."""
        Cloud.objects.update(held_since=timezone.now())
        change()
        assert ask(as_operator, drawn).status == "200 OK"


def change(*instances: Instance) -> None:
    pks = [instance.pk for instance in instances]
    changed = Instance.objects.filter(pk__in=pks) if pks else None
    state.put_version(FleetVersion.stamp(changed, only_shown=bool(pks)))


@pytest.mark.parametrize("since", ["", "x", "-1"])
def test_a_poll_that_makes_no_sense(as_operator: Client, since: str) -> None:
    poll = reverse("edits:list_changes")
    assert as_operator.get(poll, {"since": since}).status_code == 400


def test_sign_in_and_wrong_method(client: Client, operator: User) -> None:
    assert client.get(LIST).status_code == 302
    assert "login" in client.get(LIST, headers=HTMX)["HX-Redirect"]
    client.force_login(operator)
    assert client.post(LIST).status_code == 405
    assert reverse("edits:list") == LIST
