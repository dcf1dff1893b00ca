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
from dashboard.audit.models import AuditEvent
from dashboard.handover import wallboard_services
from dashboard.handover.models import WallLink
from dashboard.instances.models import Cloud, FleetVersion, Instance
from dashboard.livepoll import state
from dashboard.saved.models import SavedView
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance

from .wall_pages import fleet, of, poll_of

NOON = datetime(2026, 11, 23, 12, 1, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("cloud_row", "_empty_cache", "_no_news")


def numbers(text: str) -> dict[str, int]:
    tiles = re.findall(r'data-tile="(\w+)"[^>]* data-number="(\d+)"', text)
    return {name: int(number) for name, number in tiles}


def names(text: str) -> list[str]:
    return re.findall(r'class="stop-name"><bdi>(.*?)</bdi>', text)


@pytest.mark.parametrize(
    ("accepted", "spoken", "words"),
    [("en-GB,en", "en", "Next stops"), ("de-DE,de", "de", "Nächste Stopps")],
)
def test_it_says_which_language_it_speaks(
    client: Client, link: WallLink, accepted: str, spoken: str, words: str
) -> None:
    text = client.get(of(link), headers={"accept-language": accepted}).text
    assert f'<html lang="{spoken}"' in text
    assert words in text
    assert ("Läuft" in text) is (spoken == "de")


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


def test_of_several_clouds_each_stop_names_its_own(
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


def test_it_shows_what_its_view_does(client: Client, operator: User) -> None:
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


def test_masked_it_shows_no_name(client: Client, operator: User) -> None:
    fleet()
    link = wallboard_services.make(actor=operator, name="Lobby", masked=True)
    other = wallboard_services.make(actor=operator, name="Lobby 2", masked=True)
    page = client.get(of(link)).text
    for instance in Instance.objects.select_related("cloud"):
        for said in (instance.name, instance.instance_id, instance.owner_name):
            assert said not in re.sub(r'data-tile="\w+"|[Oo]verdue|[Ff]ailed', "", page)
    assert all(re.fullmatch(r"Instance [0-9A-F]{4}", one) for one in names(page))
    assert names(page) == names(client.get(of(link)).text)
    assert names(page) != names(client.get(of(other)).text)


def test_nothing_leads_from_it_into_the_site(client: Client, link: WallLink) -> None:
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


def test_one_letter_off_is_another_link(client: Client, link: WallLink) -> None:
    token = wallboard_services.token(link)
    for place in (0, -1):
        letters = list(token)
        letters[place] = "x" if letters[place] != "x" else "y"
        url = reverse("handover:wall", args=["".join(letters)])
        assert client.get(url).status_code == 404


def test_the_table_does_not_hold_the_token(link: WallLink) -> None:
    held = json.dumps(list(WallLink.objects.values()), default=str)
    assert wallboard_services.token(link) not in held
    held = json.dumps(list(AuditEvent.objects.values()), default=str)
    assert link.key not in held


@pytest.mark.parametrize("suffix", ["", "changes?since=0"])
def test_its_address_goes_nowhere(client: Client, link: WallLink, suffix: str) -> None:
    response = client.get(f"{of(link)}{suffix}")
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in response.headers["X-Robots-Tag"]
    assert "no-store" in response.headers["Cache-Control"]
    assert not response.cookies


def test_it_never_meets_a_sign_in(client: Client, link: WallLink, viewer: User) -> None:
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
    told = json.loads(response.headers["HX-Trigger"])
    assert told["curfew:unchanged"]["as_of_ms"] == 1_000
    assert re.fullmatch(r"[0-9a-f]{12}", told["curfew:release"]["release"])


def test_the_page_and_a_full_poll_cost_the_same_whatever_the_fleet(
    client: Client, link: WallLink, django_assert_max_num_queries: Any
) -> None:
    for _ in range(15):
        make_instance(stops_in=600)
    with django_assert_max_num_queries(9):
        page = client.get(of(link)).text
    FleetVersion.stamp(Instance.objects.all())
    with django_assert_max_num_queries(8):
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


def test_what_is_not_on_the_wall_moves_nothing(client: Client, link: WallLink) -> None:
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
def test_an_odd_question(client: Client, link: WallLink, query: str) -> None:
    assert client.get(f"{of(link)}changes?{query}").status_code == 400


def test_trouble_upstream_is_told_without_the_cloud_s_words(
    client: Client, link: WallLink
) -> None:
    Cloud.objects.update(problem=verbatim("secret words"), problem_since=timezone.now())
    page = client.get(of(link)).text
    assert "is not reachable" in page
    assert "secret words" not in page


def test_each_link_has_its_limit(
    client: Client, link: WallLink, operator: User, settings: Any
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(update={"wall_requests_per_minute": 2})
    other = wallboard_services.make(actor=operator, name="Other")
    with time_machine.travel(NOON, tick=False):
        answers = [client.get(of(link)) for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 429]
        assert int(answers[2].headers["Retry-After"]) > 0
        assert answers[2].headers["Referrer-Policy"] == "no-referrer"
        assert client.get(of(other)).status_code == 200


def test_the_moment_it_was_seen_is_kept_coarsely(
    client: Client, link: WallLink
) -> None:
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


def test_a_refusal_does_not_write_the_token_down(
    client: Client, link: WallLink
) -> None:
    response = client.post(of(link), headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    event = AuditEvent.objects.get(action="request.refused")
    assert event.target_label == "POST /wall/[redacted]/"
