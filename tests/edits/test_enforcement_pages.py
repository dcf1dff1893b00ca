"""The preview of a rule, letting it act, and pausing it; and the number to be typed."""

from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
import time_machine
from django.test import Client
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.edits import dispatch, enforcement
from dashboard.edits.messages import filter_text
from dashboard.edits.models import Edit, EditBatch
from dashboard.instances.filters import InstanceFilter
from dashboard.instances.models import Instance, InstanceEvent
from dashboard.policies import services
from dashboard.policies.models import Rule
from tests import factories
from tests.policies.conftest import make_rule

from .conftest import hidden

MANY = 25
"""The default of ``CURFEW_BULK_CONFIRM_ABOVE``."""

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())


@pytest.fixture
def as_admin(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def address(rule: Rule) -> str:
    return f"/policies/{rule.pk}/acting/"


def page(client: Client, rule: Rule) -> str:
    answer = client.get(address(rule))
    assert answer.status_code == 200
    return answer.content.decode()


def seen_running(instance: Instance, begin: datetime, end: datetime | None) -> None:
    """Events of a run that was seen."""
    InstanceEvent.objects.create(
        instance=instance, at=begin, from_status="STARTING", to_status="RUNNING"
    )
    if end:
        InstanceEvent.objects.create(
            instance=instance, at=end, from_status="RUNNING", to_status="STOPPED"
        )


def test_the_preview_names_runs_settings_and_what_cannot_be_done(
    as_admin: Client,
) -> None:
    factories.make_instance(name="training", stops_in=None, run_started_at=None)
    factories.make_instance(name="wrong", status="STOPPED", auto_stop_enable=False)
    factories.make_instance(
        name="odd", status="STOPPED", auto_stop_enable=False, auto_stop_duration=None
    )
    html = page(as_admin, make_rule())
    assert "Stop 1 run." in html
    assert "training" in html
    assert "Change the auto-stop of 1 instance" in html
    assert "wrong" in html
    assert "1 setting that violates it is left as it is" in html
    assert "60 and 15 minutes before" in html
    assert "Turn on for 2 instances" in html


@time_machine.travel(NOON, tick=False)
def test_the_preview_tells_the_last_14_days_and_what_is_not_known(
    client: Client, admin: User
) -> None:
    client.force_login(admin)
    day = timedelta(days=1)
    stopped = {"status": "STOPPED", "first_seen_at": NOON - 9 * day}
    long = factories.make_instance(name="long", **stopped)
    seen_running(long, NOON - 2 * day, NOON - 2 * day + timedelta(hours=20))
    seen_running(long, NOON - 30 * day, NOON - 29 * day)
    short = factories.make_instance(name="short", **stopped)
    seen_running(short, NOON - day, NOON - day + timedelta(hours=2))
    # It ran when Curfew saw it first, and three hours later it did not.
    unknown = factories.make_instance(name="unknown", **stopped)
    end = NOON - 9 * day + timedelta(hours=3)
    InstanceEvent.objects.create(
        instance=unknown, at=end, from_status="RUNNING", to_status="STOPPED"
    )
    rule = make_rule(kind="max_hours", max_seconds=8 * 3600)
    html = page(client, rule)
    assert "It would have stopped 1 run" in html
    assert "which ran 12 h longer than it allows" in html
    assert "1 run could not be checked: Curfew did not see it start." in html
    ended = page(client, make_rule(name="Other"))
    assert "3 runs could not be checked: Curfew does not record whether a past" in ended
    night = make_rule(
        name="Night",
        kind="quiet_hours",
        quiet_from="22:00",
        quiet_until="06:00",
        time_zone="UTC",
    )
    assert "It would have stopped 1 run" in page(client, night)


def test_nothing_acts_on_many_before_their_number_is_typed(as_admin: Client) -> None:
    for _ in range(MANY + 1):
        factories.make_instance(status="STOPPED", auto_stop_enable=False)
    rule = make_rule()
    html = page(as_admin, rule)
    shown = hidden(html, "shown")
    assert shown == "26"
    for typed in ("", "25", "all"):
        data = {"acts": "on", "shown": shown, "number": typed}
        answer = as_admin.post(address(rule), data)
        assert answer.status_code == 422
        assert "Type 26 to confirm" in answer.content.decode()
    rule.refresh_from_db()
    assert not rule.acts
    # One that became more than was shown is shown once more.
    factories.make_instance(status="STOPPED", auto_stop_enable=False)
    data = {"acts": "on", "shown": shown, "number": "26"}
    assert as_admin.post(address(rule), data).status_code == 422
    Instance.objects.order_by("pk")[:5][0].delete()
    Instance.objects.order_by("pk")[:5][0].delete()
    assert as_admin.post(address(rule), data).status_code == 303
    rule.refresh_from_db()
    assert rule.acts


def test_one_click_pauses_and_says_what_was_cancelled(
    as_admin: Client, admin: User
) -> None:
    factories.make_instance(status="STOPPED", auto_stop_enable=False)
    rule = services.turn_on_enforcement(rule=make_rule(), actor=admin)
    enforcement.enforce_rules()
    answer = as_admin.post(address(rule), follow=True)
    assert "1 pending change was cancelled." in answer.content.decode()
    assert Edit.objects.get().state == "cancelled"


@pytest.mark.parametrize("person", ["viewer", "scientist", "operator"])
def test_the_preview_is_the_admins_alone(
    client: Client, person: str, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(person))
    assert client.get(address(make_rule())).status_code == 403


def test_the_page_of_a_rule_that_acts_outlives_its_admin(
    as_admin: Client, admin: User, db: None
) -> None:
    rule = services.turn_on_enforcement(rule=make_rule(), actor=admin)
    at = f"/policies/{rule.pk}/"
    assert "since <bdi>admin</bdi> turned it on" in as_admin.get(at).content.decode()
    Rule.objects.update(acting_approved_by=None)
    assert "<strong>On.</strong>" in (as_admin.get(at).content.decode())


def test_its_page_and_the_lists_name_the_policy(as_admin: Client, admin: User) -> None:
    off = factories.make_instance(status="STOPPED", auto_stop_enable=False)
    services.turn_on_enforcement(rule=make_rule(), actor=admin)
    enforcement.enforce_rules()
    edit = Edit.objects.get()
    assert edit.batch
    for path in (
        edit.get_absolute_url(),
        edit.batch.get_absolute_url(),
        off.get_absolute_url(),
        *("/edits/", "/batches/"),
    ):
        assert (
            "Policy “Auto-stop on”" in as_admin.get(path, follow=True).content.decode()
        )


class TestBulk:
    def preview(self, client: Client, size: int) -> str:
        many = [str(factories.make_instance().pk) for _ in range(size)]
        taken = {"picked": ",".join(many), "action": "stop"}
        at: str = client.post("/bulk/", taken)["Location"]
        return at

    def test_many_ask_for_their_number(self, as_operator: Client) -> None:
        at = self.preview(as_operator, MANY + 1)
        html = as_operator.get(at).content.decode()
        assert 'name="number"' in html
        data = {"preview": hidden(html, "preview")}
        answer = as_operator.post(f"{at}confirm/", data)
        assert answer.status_code == 422
        assert "Type 26 to confirm" in answer.content.decode()
        assert not Edit.objects.exists()
        confirmed = as_operator.post(f"{at}confirm/", data | {"number": " 26 "})
        assert confirmed["Location"].startswith("/batches/")
        again = as_operator.post(f"{at}confirm/", data)
        assert again["Location"] == confirmed["Location"], "a second click is the same"

    def test_few_do_not(self, as_operator: Client) -> None:
        factories.make_instance()
        at = self.preview(as_operator, MANY)
        html = as_operator.get(at).content.decode()
        assert 'name="number"' not in html
        data = {"preview": hidden(html, "preview")}
        assert as_operator.post(f"{at}confirm/", data).status_code == 303

    def test_the_heading_says_how_many_of_them_will_be_changed(
        self, as_operator: Client
    ) -> None:
        at = self.preview(as_operator, 2)
        Instance.objects.filter(pk__in=EditBatch.objects.get().selection[:1]).update(
            missing_since=timezone.now()
        )
        as_operator.post(at, {"action": "stop"})
        html = as_operator.get(at).content.decode()
        assert "Change 1 of 2 instances" in html

    def test_the_choice_shows_which_instances_are_meant(
        self, as_operator: Client
    ) -> None:
        one = factories.make_instance(name="mine")
        at = as_operator.post("/bulk/", {"pick": [one.pk]})["Location"]
        assert "<bdi>mine</bdi>" in as_operator.get(at).content.decode()

    def test_filters_are_told_in_words(self, as_operator: Client) -> None:
        factories.make_instance()
        query = "status=RUNNING&flavor_type=GPU&owner=anna.schmidt&autostop=on"
        as_operator.post("/bulk/", {"scope": "matching", "query": query})
        assert str(EditBatch.objects.get().source) == (
            "Filter: status Running, auto-stop on, flavor type GPU, owner anna.schmidt"
        )

    def test_each_filter_of_the_list_has_its_words(self) -> None:
        choices = InstanceFilter.base_filters["autostop"].extra["choices"]
        texts = [filter_text("autostop", value) for value, _ in choices]
        texts += [
            filter_text(name, "x")
            for name in InstanceFilter.base_filters
            if name not in {"autostop", "sort", "per_page"}
        ]
        assert not [text for text in texts if "_" in text]
        with translation.override("de"):
            shown = [filter_text("autostop", value) for value, _ in choices]
        assert not [text for text in shown if "without" in text or "auto-stop" in text]
