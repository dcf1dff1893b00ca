"""Home: one's own instances as cards."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import CloudUser, User
from dashboard.edits.models import Edit
from dashboard.instances.countdown import unix_ms
from dashboard.instances.models import FleetVersion, Instance
from dashboard.instances.views import home
from dashboard.policies.models import Rule
from tests.factories import make_instance
from tests.policies.conftest import make_question, make_rule

from .pages import add_edit

HOME = reverse("home")
CHANGES = reverse("instances:home_changes")
TEAM = reverse("instances:list")


def cards_of(page: str) -> list[str]:
    return re.findall(r'<article\s+class="card[^>]*\sid="instance-(\d+)"', page)


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_others_go_to_the_list(
    client: Client, request: pytest.FixtureRequest, role: str
) -> None:
    client.force_login(request.getfixturevalue(role))
    response = client.get(HOME)
    assert (response.status_code, response.headers["Location"]) == (302, TEAM)
    poll = client.get(CHANGES, {"since": 0})
    assert poll.headers["HX-Redirect"] == HOME


def test_anonymous_is_sent_to_sign_in(client: Client, db: None) -> None:
    assert client.get(HOME).headers["Location"].startswith("/accounts/login/")
    assert client.get(CHANGES).status_code == 302


@pytest.mark.parametrize("url", [HOME, CHANGES])
def test_other_methods_are_refused(client: Client, scientist: User, url: str) -> None:
    client.force_login(scientist)
    assert client.post(url).status_code == 405


def test_only_own_instances_by_name_or_id(
    client: Client, scientist: User, instance: Instance
) -> None:
    CloudUser.objects.create(account=scientist, identifier="b" * 32)
    by_id = make_instance(owner_id="b" * 32, owner_name="somebody", stops_in=60)
    make_instance(owner_id="c" * 32, owner_name="tom.becker")
    make_instance(owner_id="", owner_name="")
    client.force_login(scientist)
    # What stops next comes first.
    assert cards_of(client.get(HOME).text) == [str(by_id.pk), str(instance.pk)]


def test_a_card_has_both_clocks_and_what_can_be_done(
    client: Client, scientist: User, instance: Instance
) -> None:
    client.force_login(scientist)
    page = client.get(HOME).text
    assert f'data-stops-at="{unix_ms(instance.stops_at)}"' in page
    assert '<span class="clock-setting">8 h</span>' in page
    args = [instance.cloud.name, instance.instance_id]
    assert f'href="{reverse("edits:edit", args=args)}"' in page
    assert f'href="{reverse("edits:stop", args=args)}"' in page
    assert f'href="{reverse("edits:start", args=args)}"' not in page
    assert f'href="{instance.get_absolute_url()}#activity"' in page


def test_a_stopped_one_can_be_started_and_a_vanished_one_nothing(
    client: Client, scientist: User, instance: Instance
) -> None:
    stopped = make_instance(status="STOPPED")
    Instance.objects.filter(pk=instance.pk).update(missing_since=instance.first_seen_at)
    client.force_login(scientist)
    page = client.get(HOME).text
    assert f'id="start-{stopped.pk}"' in page
    assert f'id="stop-{stopped.pk}"' not in page
    for act in ("edit-button", "start", "stop"):
        assert f'id="{act}-{instance.pk}"' not in page


def test_pending_changes_and_the_latest_ones(
    client: Client, scientist: User, instance: Instance
) -> None:
    for number in range(5):
        add_edit(instance, scientist, key=str(number), seq=number, state="queued")
    client.force_login(scientist)
    page = client.get(HOME).text
    assert page.count("data-edit=") == 3
    assert 'data-interval="1"' in page


def test_nobody_mapped_nothing_shown(client: Client, instance: Instance) -> None:
    client.force_login(User.objects.create_user("new", role="scientist"))
    page = client.get(HOME).text
    assert cards_of(page) == []
    assert "No ModelArts user mapped" in page


def test_mapped_but_without_instances(
    client: Client, stranger: User, instance: Instance
) -> None:
    client.force_login(stranger)
    page = client.get(HOME).text
    assert "No instances of yours" in page
    assert "<bdi>tom.becker</bdi>" in page


@pytest.mark.parametrize("number", [3, 25])
def test_queries_do_not_grow(
    client: Client,
    scientist: User,
    number: int,
    django_assert_max_num_queries: object,
) -> None:
    for _ in range(number):
        add_edit(make_instance(), scientist, key=str(_), state=Edit.State.QUEUED)
    client.force_login(scientist)
    # Ten of them for what the own instances cost this month, and one for what polls
    # compare.
    with django_assert_max_num_queries(25):  # type: ignore[operator]
        page = client.get(HOME).text
    assert len(cards_of(page)) == number


def test_more_than_a_page_is_counted_and_linked(
    client: Client, scientist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "CARDS_PER_PAGE", 2)
    soonest, second, last = (make_instance(stops_in=60 * n) for n in (1, 2, 3))
    no_auto_stop = make_instance(stops_in=None, auto_stop_enable=False)
    idle = make_instance(status="STOPPED", name="a first by name")
    client.force_login(scientist)
    page = client.get(HOME).text
    assert cards_of(page) == [str(soonest.pk), str(second.pk)]
    assert "1\N{EN DASH}2 of 5" in page
    # A run without an end is not listed among stopped instances.
    (link,) = re.findall(r'rel="next"\s+href="(/\?mine=1&amp;page=2)"', page)
    page = client.get(link.replace("&amp;", "&")).text
    assert cards_of(page) == [str(last.pk), str(no_auto_stop.pk)]
    assert cards_of(client.get(f"{HOME}?page=3").text) == [str(idle.pk)]
    match = re.search(r'hx-get="([^"]+)"', page[page.index('id="poller"') :])
    assert match
    FleetVersion.stamp(Instance.objects.filter(pk__in=[soonest.pk, last.pk]))
    assert cards_of(client.get(match[1].replace("&amp;", "&")).text) == [str(last.pk)]


def test_one_page_needs_no_pages(
    client: Client, scientist: User, instance: Instance
) -> None:
    client.force_login(scientist)
    assert 'class="pager"' not in client.get(HOME).text


def test_a_poll_sends_the_card_that_changed(
    client: Client, scientist: User, instance: Instance
) -> None:
    other = make_instance()
    client.force_login(scientist)
    match = re.search(r'hx-get="[^"]*layout=(\w+)', client.get(HOME).text)
    assert match
    since = FleetVersion.current()
    query = {"since": since, "layout": match[1]}
    assert client.get(CHANGES, query).status_code == 204
    FleetVersion.stamp(Instance.objects.filter(pk=other.pk))
    answer = client.get(CHANGES, query).text
    assert cards_of(answer) == [str(other.pk)]
    assert f"since={since + 1}" in answer


def test_a_poll_sends_all_when_one_came_or_went(
    client: Client, scientist: User, instance: Instance
) -> None:
    client.force_login(scientist)
    FleetVersion.stamp()
    make_instance()
    answer = client.get(CHANGES, {"since": 0, "layout": "other"}).text
    assert len(cards_of(answer)) == 2
    assert '<div id="cards" class="cards" hx-swap-oob="true">' in answer


def test_questions_of_one_policy_stand_together(
    client: Client, scientist: User, instance: Instance
) -> None:
    alone = make_rule(kind=Rule.Kind.STILL_NEEDED, name="Alone")
    both = make_rule(kind=Rule.Kind.STILL_NEEDED, name="Both", acts=True)
    other = make_instance(name="<i>other</i>")
    questions = [
        make_question(both, instance),
        make_question(alone, make_instance()),
        make_question(both, other),
    ]
    client.force_login(scientist)
    page = client.get(HOME).text
    places = [page.index(f'id="question-{question.pk}"') for question in questions]
    assert len({*places}) == 3
    together = page[page.index(f'id="questions-{both.pk}"') :].partition("</section>")[
        0
    ]
    assert "Are 2 instances still needed?" in together
    assert "an instance is stopped" in together
    assert re.findall(r'id="question-(\d+)"', together) == [
        str(questions[0].pk),
        str(questions[2].pk),
    ]
    assert "&lt;i&gt;other&lt;/i&gt;" in together
    assert f'id="questions-{alone.pk}"' not in page


@pytest.mark.parametrize("since", ["", "x", "-1"])
def test_a_since_that_makes_no_sense(
    client: Client, scientist: User, since: str
) -> None:
    client.force_login(scientist)
    assert client.get(CHANGES, {"since": since}).status_code == 400


def test_names_are_text_and_never_markup(client: Client, scientist: User) -> None:
    hostile = '"><script>alert(1)</script>{{ 7 }}<b hx-get=/x>'
    make_instance(name=hostile, description=hostile)
    client.force_login(scientist)
    page = client.get(HOME).text
    assert "<script>alert" not in page
    assert "<b hx-get" not in page
