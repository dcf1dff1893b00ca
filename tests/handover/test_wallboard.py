"""The wallboard."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.accounts.teams import save_team
from dashboard.audit.models import AuditEvent
from dashboard.costs import current_prices
from dashboard.handover import wallboard_services
from dashboard.handover.models import WallLink
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.livepoll import state
from dashboard.saved.models import SavedView
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance, make_notebook, make_price, make_run

from .wall_pages import fleet, of, poll_of

NOON = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("cloud_row", "_empty_cache", "_no_news")


def numbers(text: str) -> dict[str, int]:
    tiles = re.findall(r'data-tile="(\w+)"[^>]*\sdata-number="(\d+)"', text)
    return {name: int(number) for name, number in tiles}


def names(text: str) -> list[str]:
    return re.findall(r'class="stop-name">\s*<bdi>(.*?)</bdi>', text)


@pytest.mark.parametrize(
    ("accepted", "language", "heading"),
    [("en-GB,en", "en", "Next stops"), ("de-DE,de", "de", "Nächste Stopps")],
)
def test_the_wallboard_declares_its_language(
    client: Client, link: WallLink, accepted: str, language: str, heading: str
) -> None:
    text = client.get(of(link), headers={"accept-language": accepted}).text
    assert f'<html lang="{language}"' in text
    assert heading in text
    assert ("Läuft" in text) is (language == "de")


def test_five_numbers_and_the_next_stops(client: Client, link: WallLink) -> None:
    fleet()
    response = client.get(of(link))
    assert numbers(response.text) == {
        "running": 4,
        "soon": 1,
        "overdue": 1,
        "failed": 1,
        "no_auto_stop": 1,
    }
    assert names(response.text) == ["overdue", "soon", "later"]
    assert "anna.schmidt" in response.text
    assert "Control room" in response.text
    assert 'data-zone="Europe/Berlin"' in response.text
    assert "CET" in response.text
    assert 'data-theme="dark"' in response.text


def test_stops_name_their_cloud_if_there_are_several(
    client: Client, link: WallLink
) -> None:
    make_instance(stops_in=600, name="ablation")
    assert ">demo</bdi>" not in client.get(of(link)).text
    other = Cloud.objects.create(name="production")
    make_instance(stops_in=700, name="ablation", cloud=other)
    text = client.get(of(link)).text
    assert names(text) == ["ablation", "ablation"]
    assert ">demo</bdi>" in text
    assert ">production</bdi>" in text


def test_no_more_than_ten(client: Client, link: WallLink) -> None:
    for number in range(12):
        make_instance(stops_in=600 + number)
    assert len(names(client.get(of(link)).text)) == 10


def test_a_wallboard_applies_the_filter_of_its_view(
    client: Client, operator: User
) -> None:
    fleet()
    make_instance(name="cpu", stops_in=500, flavor_type="CPU")
    view = SavedView.objects.create(
        owner=operator, name="CPUs", query="flavor_type=CPU"
    )
    link = wallboard_services.make(actor=operator, name="CPUs", view=view)
    assert names(client.get(of(link)).text) == ["cpu"]
    view.delete()
    page = client.get(of(link)).text
    assert names(page) == ["cpu"], "and not the whole fleet"
    assert numbers(page)["running"] == 1


def test_a_wallboard_of_a_team_counts_its_instances_and_says_its_name(
    client: Client, operator: User, admin: User
) -> None:
    make_instance(name="theirs", stops_in=500)
    make_instance(name="ours", stops_in=500, owner_name="li.wei")
    make_instance(name="shared", stops_in=600, workspace_id="ws-vision")
    make_instance(
        name="spare", stops_in=700, workspace_id="ws-vision", flavor_type="CPU"
    )
    team = save_team(
        name="Vision", owners=["li.wei"], workspaces=["ws-vision"], actor=admin
    )
    view = SavedView.objects.create(
        owner=operator,
        name="Vision's GPUs",
        query="team=Vision&flavor_type=GPU&owner=!zoe&sort=name&per_page=100",
    )
    make = wallboard_services.make
    link = make(actor=operator, name="Lab 2", view=view)
    page = client.get(of(link)).text
    assert names(page) == ["ours", "shared"]
    assert numbers(page)["running"] == 2
    (limits,) = re.findall(r'class="wall-filters">(.*?)</p>', page)
    limits = re.sub("<[^>]+>", "", limits)
    assert limits == "Flavor: GPU · Owner: not zoe · Team: Vision"
    masked = make(actor=operator, name="Lobby", view=view, masked=True)
    page_of_masked = client.get(of(masked)).text
    assert "Team: Vision" in page_of_masked
    assert "zoe" not in page_of_masked
    # A team that is gone matches nothing, which must not look like a quiet fleet.
    save_team(team=team, name="Imaging", owners=["li.wei"], actor=admin)
    change = client.get(poll_of(page)).text
    assert "The team <bdi>Vision</bdi> no longer exists" in change
    assert numbers(change)["running"] == 0


def test_a_masked_wallboard_shows_no_name(client: Client, operator: User) -> None:
    fleet()
    link = wallboard_services.make(actor=operator, name="Lobby", masked=True)
    other = wallboard_services.make(actor=operator, name="Lobby 2", masked=True)
    page = client.get(of(link)).text
    for instance in Instance.objects.select_related("cloud"):
        for text in (instance.name, instance.instance_id, instance.owner_name):
            assert text not in re.sub(r'data-tile="\w+"|[Oo]verdue|[Ff]ailed', "", page)
    assert all(re.fullmatch(r"Instance [0-9A-F]{4}", name) for name in names(page))
    assert names(page) == names(client.get(of(link)).text)
    assert names(page) != names(client.get(of(other)).text)


def test_the_wallboard_has_no_links(client: Client, link: WallLink) -> None:
    fleet()
    page = client.get(of(link)).text
    assert "<a " not in page
    assert "<form" not in page
    assert "DE-0000" not in page
    assert "Churn model" not in page
    assert "csrf" not in page.lower()


@pytest.mark.parametrize("suffix", ["", "changes?since=0"])
def test_a_revoked_link_says_so_and_shows_nothing(
    client: Client, link: WallLink, operator: User, suffix: str
) -> None:
    fleet()
    url = f"{of(link)}{suffix}"
    assert client.get(url).status_code in {200, 204}
    wallboard_services.revoke(link=link, actor=operator)
    response = client.get(url)
    assert response.status_code == 404
    assert "It was revoked" in response.text
    assert not numbers(response.text)
    assert "soon" not in response.text
    assert "Control room" not in response.text
    assert response.headers["Cache-Control"].startswith("max-age=0, no-cache, no-store")


@pytest.mark.parametrize(
    "made_up",
    ["x", "x" * 44, "x" * 5_000, "ü" * 44, "a" * 16 + "A" * 32, "..", "%00" * 16],
)
def test_a_made_up_link_costs_no_query(
    client: Client, link: WallLink, made_up: str, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        response = client.get(f"/wall/{made_up}/")
    assert response.status_code == 404


def test_a_changed_token_is_invalid(client: Client, link: WallLink) -> None:
    token = wallboard_services.token(link)
    for place in (0, -1):
        letters = list(token)
        letters[place] = "x" if letters[place] != "x" else "y"
        url = reverse("handover:wall", args=["".join(letters)])
        assert client.get(url).status_code == 404


def test_the_table_does_not_contain_the_token(link: WallLink) -> None:
    held = json.dumps(list(WallLink.objects.values()), default=str)
    assert wallboard_services.token(link) not in held
    held = json.dumps(list(AuditEvent.objects.values()), default=str)
    assert link.key not in held


@pytest.mark.parametrize("suffix", ["", "changes?since=0"])
def test_the_url_of_a_wallboard_is_not_leaked(
    client: Client, link: WallLink, suffix: str
) -> None:
    response = client.get(f"{of(link)}{suffix}")
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in response.headers["X-Robots-Tag"]
    assert "no-store" in response.headers["Cache-Control"]
    assert not response.cookies


def test_a_wallboard_needs_no_sign_in(
    client: Client, link: WallLink, viewer: User
) -> None:
    assert client.get(of(link)).status_code == 200
    viewer.one_time_until = timezone.now() + timedelta(days=1)
    viewer.save()
    client.force_login(viewer)
    assert client.get(of(link)).status_code == 200
    viewer.is_active = False
    viewer.save()
    assert client.get(of(link)).status_code == 200
    answer = client.get(f"{of(link)}changes?since=0", headers={"HX-Request": "true"})
    assert answer.status_code in {200, 204}
    assert "HX-Redirect" not in answer.headers


def test_nothing_new_is_cheap_and_names_the_release(
    client: Client, link: WallLink, django_assert_num_queries: Any, monkeypatch: Any
) -> None:
    fleet()
    url = poll_of(client.get(of(link)).text)
    news = state.FleetState(FleetVersion.current(), {1: 1_000})
    monkeypatch.setattr(state.cache, "read", lambda: news)
    # The link itself, and no more: revoking it is felt at once.
    with django_assert_num_queries(1):
        response = client.get(url)
    assert response.status_code == 204
    triggers = json.loads(response.headers["HX-Trigger"])
    assert triggers["curfew:unchanged"]["as_of_ms"] == 1_000
    assert re.fullmatch(r"[0-9a-f]{12}", triggers["curfew:release"]["release"])


def test_the_page_and_a_full_poll_cost_the_same_whatever_the_fleet(
    client: Client, link: WallLink, django_assert_max_num_queries: Any
) -> None:
    for _ in range(15):
        make_instance(stops_in=600)
    with django_assert_max_num_queries(11):
        page = client.get(of(link)).text
    FleetVersion.stamp(Instance.objects.all())
    with django_assert_max_num_queries(11):
        client.get(poll_of(page))


def test_a_change_arrives(client: Client, link: WallLink) -> None:
    instance = make_instance(name="soon", stops_in=300)
    url = poll_of(client.get(of(link)).text)
    changed = Instance.objects.filter(pk=instance.pk)
    changed.update(status="STOPPED", stops_at=None)
    FleetVersion.stamp(changed)
    response = client.get(url)
    assert response.status_code == 200
    assert numbers(response.text)["running"] == 0
    assert client.get(poll_of(response.text)).status_code == 204


def test_changes_outside_the_view_redraw_nothing(
    client: Client, link: WallLink
) -> None:
    instance = make_instance(stops_in=300)
    url = poll_of(client.get(of(link)).text)
    changed = Instance.objects.filter(pk=instance.pk)
    changed.update(description="other")
    FleetVersion.stamp(changed)
    response = client.get(url)
    assert 'id="wall"' not in response.text
    assert client.get(poll_of(response.text)).status_code == 204


@pytest.mark.parametrize(("ends_in", "key"), [(15 * 60, "soon"), (-5 * 60, "overdue")])
def test_time_alone_moves_a_number(
    client: Client, link: WallLink, ends_in: int, key: str
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        make_instance(stops_in=ends_in + 20)
        page = client.get(of(link)).text
        url = poll_of(page)
        assert numbers(page)[key] == 0
        clock.shift(timedelta(seconds=19))
        assert client.get(url).status_code == 204
        clock.shift(timedelta(seconds=1.1))
        response = client.get(url)
        assert numbers(response.text)[key] == 1
        assert client.get(poll_of(response.text)).status_code == 204


@pytest.mark.parametrize("query", ["", "since=x", "since=-1", "since=1&until=x"])
def test_an_invalid_poll(client: Client, link: WallLink, query: str) -> None:
    assert client.get(f"{of(link)}changes?{query}").status_code == 400


def test_a_problem_of_a_cloud_is_shown_without_its_message(
    client: Client, link: WallLink
) -> None:
    Cloud.objects.update(problem=verbatim("secret text"), problem_since=timezone.now())
    page = client.get(of(link)).text
    assert "is not reachable" in page
    assert "secret text" not in page


def test_each_link_has_its_limit(
    client: Client, link: WallLink, operator: User, settings: Any
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(update={"wall_requests_per_minute": 2})
    other = wallboard_services.make(actor=operator, name="Other")
    with time_machine.travel(NOON, tick=False):
        answers = [client.get(of(link)) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert int(answers[2].headers["Retry-After"]) > 0
        assert answers[2].headers["Referrer-Policy"] == "no-referrer"
        assert client.get(of(other)).status_code == 200


def test_polls_are_recorded_at_intervals(client: Client, link: WallLink) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        client.get(of(link))
        clock.shift(timedelta(minutes=2))
        client.get(of(link))
        link.refresh_from_db()
        assert link.seen_at == NOON
        clock.shift(timedelta(minutes=4))
        client.get(of(link))
        link.refresh_from_db()
        assert link.seen_at == NOON + timedelta(minutes=6)


def test_a_refusal_does_not_log_the_token(client: Client, link: WallLink) -> None:
    response = client.post(of(link), headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    event = AuditEvent.objects.get(action="request.refused")
    assert event.target_label == "POST /wall/[redacted]/"


def test_idle_leases_have_no_stop_but_are_counted(
    client: Client, link: WallLink
) -> None:
    make_notebook(idle_seconds=3_600, name="idle")
    make_notebook(stops_in=600, name="timed")
    page = client.get(of(link)).text
    assert names(page) == ["timed"]
    assert '<span class="wall-idle">1 when idle</span>' in page
    assert (numbers(page)["running"], numbers(page)["no_auto_stop"]) == (2, 0)


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        ({"notebooks_scope": "own"}, "the counts are incomplete"),
        ({"incomplete": "wrong_count", "listed": 3, "counted": 4}, "is incomplete"),
        ({"unconfigured_since": NOON}, "no longer configured"),
    ],
)
def test_a_poll_brings_what_is_wrong_with_a_cloud(
    client: Client, link: WallLink, trouble: dict[str, Any], text: str
) -> None:
    page = client.get(of(link)).text
    assert text not in page
    Cloud.objects.update(**trouble)
    FleetVersion.stamp()
    assert text in client.get(poll_of(page)).text


def test_costs_are_sums_that_every_wallboard_has(
    client: Client, link: WallLink, operator: User
) -> None:
    now = datetime.now(UTC)
    instances = [make_instance(), make_instance(), make_instance(flavor="new")]
    assert 'data-tile="per_hour"' not in client.get(of(link)).text
    make_price("1000.25")
    current_prices.forget()
    make_run(
        instance=instances[0], started_at=now - timedelta(minutes=1), ended_at=None
    )
    masked = wallboard_services.make(actor=operator, name="Masked", masked=True)
    for wall in (link, masked):
        text = " ".join(client.get(of(wall)).text.split())
        assert "<strong>2,000.50</strong>" in text
        assert "EUR an hour" in text
        assert "1 without a price" in text
        assert "EUR today" in text
    # Elsewhere only what the view shows counts.
    view = SavedView.objects.create(owner=operator, name="New", query="flavor=new")
    other = wallboard_services.make(actor=operator, name="Other", view=view)
    assert "EUR" not in client.get(of(other)).text


def test_a_screen_with_costs_is_drawn_anew_after_some_minutes(
    client: Client, link: WallLink
) -> None:
    make_price()
    make_instance(stops_in=None)
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        url = poll_of(client.get(of(link)).text)
        clock.shift(timedelta(minutes=4))
        assert client.get(url).status_code == 204
        clock.shift(timedelta(minutes=2))
        assert client.get(url).status_code == 200
