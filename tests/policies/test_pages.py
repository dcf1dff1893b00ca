"""Pages of rules, violations and exceptions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.costs import current_prices
from dashboard.instances.models import FleetVersion, Instance
from dashboard.policies import services
from dashboard.policies.models import Rule, RuleException
from tests import factories

from .conftest import make_rule

RULES, COMPLIANCE = "/policies/", "/policies/compliance/"
EXCEPTIONS = "/policies/exceptions/"
# Session, user, bell, version, rules, exceptions in force and asked for, violations,
# and the instances of the page with their clouds.
QUERIES = 11
TYPED = {"name": "At most 8 h", "reason": "Money.", "kind": "max_hours"} | {
    "max_hours": "8",
    "mode": "report",
}


@pytest.fixture
def as_admin(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def off(instance: Instance) -> Instance:
    """An instance of anna without auto-stop that has been running for 26 hours."""
    instance.auto_stop_enable = False
    instance.run_started_at = datetime.now(UTC) - timedelta(hours=26, minutes=1)
    instance.save()
    return instance


@pytest.fixture
def asked(off: Instance, scientist: User) -> RuleException:
    return RuleException.objects.create(
        rule=make_rule(),
        instance=off,
        reason="The evaluation runs until <Friday>.",
        until=timezone.now() + timedelta(days=3),
        asked_by=scientist,
    )


def test_an_admin_writes_a_rule(as_admin: Client) -> None:
    assert as_admin.get("/policies/new/").status_code == 200
    answer = as_admin.post("/policies/new/", TYPED)
    rule = Rule.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/policies/{rule.pk}/")
    assert (rule.max_seconds, rule.mode, rule.acts) == (8 * 3600, "report", False)
    assert "At most 8 h" in as_admin.get(RULES).content.decode()


def test_quiet_hours_need_their_fields(as_admin: Client) -> None:
    typed = TYPED | {"kind": "quiet_hours", "quiet_from": "22:00"}
    answer = as_admin.post("/policies/new/", typed | {"quiet_until": "22:00"})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "Start and end must differ." in text
    assert "Required for quiet hours." in text
    answer = as_admin.post(
        "/policies/new/",
        typed | {"quiet_until": "06:00", "time_zone": "Europe/Berlin"},
    )
    assert answer.status_code == 303
    assert Rule.objects.get().max_seconds is None


@pytest.mark.parametrize(
    "bad",
    [
        {"name": ""},
        {"kind": "nonsense"},
        {"max_hours": ""},
        {"max_hours": "0.5"},
        {"max_hours": "25"},
        {"max_hours": "eight"},
        {"mode": "always"},
        {"time_zone": "Europe/../etc"},
        {"cloud": "no such cloud"},
    ],
)
def test_a_rule_that_makes_no_sense(as_admin: Client, bad: dict[str, str]) -> None:
    answer = as_admin.post("/policies/new/", TYPED | bad)
    assert answer.status_code == 422
    assert not Rule.objects.exists()


def test_unknown_values_change_nothing(as_admin: Client) -> None:
    as_admin.post("/policies/new/", TYPED | {"acts": "on", "acting_approved_by": "1"})
    rule = Rule.objects.get()
    assert (rule.acts, rule.acting_approved_by) == (False, None)


def test_changing_acting_and_removing(as_admin: Client, admin: User) -> None:
    rule = make_rule()
    at = f"/policies/{rule.pk}/"
    assert "Dry run." in as_admin.get(at).content.decode()
    assert as_admin.post(f"{at}acting/", {"acts": "on"}).status_code == 303
    assert "<strong>On</strong> since" in as_admin.get(at).content.decode()
    as_admin.post(f"{at}acting/")
    rule.refresh_from_db()
    assert not rule.acts
    assert as_admin.post(at, TYPED | {"name": rule.name}).status_code == 303
    rule.refresh_from_db()
    assert rule.kind == "max_hours"
    assert as_admin.post(f"{at}delete/").status_code == 303
    assert not Rule.objects.exists()


@pytest.mark.parametrize("person", ["viewer", "scientist", "operator"])
def test_rules_are_the_admins_alone(
    client: Client, person: str, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(person))
    rule = make_rule()
    for path in (RULES, "/policies/new/", f"/policies/{rule.pk}/"):
        assert client.get(path).status_code == 403
    assert client.post("/policies/new/", TYPED).status_code == 403
    for path in ("acting", "delete"):
        assert client.post(f"/policies/{rule.pk}/{path}/").status_code == 403
    assert Rule.objects.get() == rule


def test_anonymous_unknown_and_wrong_method(client: Client, admin: User) -> None:
    for path in (RULES, COMPLIANCE, EXCEPTIONS, "/policies/new/", "/policies/1/"):
        assert client.get(path).status_code == 302
    client.force_login(admin)
    for path in ("/policies/7/", "/policies/7/exceptions/7/"):
        assert client.get(path).status_code == 404
    for path in (
        "/policies/7/delete/",
        *("/policies/exceptions/7/decide/", "/policies/exceptions/7/end/"),
    ):
        assert client.post(path).status_code == 404
        assert client.get(path).status_code == 405
    for path in (RULES, COMPLIANCE, EXCEPTIONS):
        assert client.post(path).status_code == 405


@pytest.mark.parametrize("person", ["viewer", "scientist", "operator", "admin"])
def test_everybody_sees_what_breaks_the_rules(
    client: Client, off: Instance, person: str, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(person))
    make_rule()
    text = client.get(COMPLIANCE).content.decode()
    assert off.name in text
    assert "anna.schmidt" in text
    assert "26 h 1 min" in text
    assert ("Fix 1 setting…" in text) == (person != "viewer")
    assert (f"exceptions/{off.pk}/" in text) == (person != "viewer")
    assert ("Request exception" in text) == (person == "scientist")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"first_seen_at": timedelta(hours=3, minutes=5)}, "at least 3 h 5 min"),
        (
            {"first_seen_at": timedelta(days=9), "status_since": timedelta(hours=2)},
            "at least 2 h",
        ),
        ({"first_seen_at": timedelta(seconds=5)}, "not known"),
    ],
)
def test_a_run_that_nobody_saw_begin(
    as_admin: Client, off: Instance, fields: dict[str, timedelta], said: str
) -> None:
    off.run_started_at = None
    for name, ago in fields.items():
        setattr(off, name, timezone.now() - ago)
    off.save()
    make_rule()
    assert f"<strong>{said}</strong>" in as_admin.get(COMPLIANCE).content.decode()


def test_nothing_is_broken_and_no_rules(as_admin: Client, instance: Instance) -> None:
    assert "No policies yet" in as_admin.get(COMPLIANCE).content.decode()
    make_rule()
    make_rule(name="Off", mode="off", kind="max_hours", max_seconds=3600)
    text = as_admin.get(COMPLIANCE).content.decode()
    assert "All instances comply" in text


def test_the_number_of_queries_does_not_grow(
    as_admin: Client, off: Instance, django_assert_num_queries: Any
) -> None:
    make_rule()
    as_admin.get(COMPLIANCE)
    for _ in range(10):
        factories.make_instance(auto_stop_enable=False)
    FleetVersion.stamp()
    with django_assert_num_queries(QUERIES):
        as_admin.get(COMPLIANCE)
    for _ in range(290):
        factories.make_instance(auto_stop_enable=False)
    FleetVersion.stamp()
    with django_assert_num_queries(QUERIES):
        as_admin.get(COMPLIANCE)
    whole = f"{COMPLIANCE}?all={Rule.objects.get().pk}"
    # The instances were judged for this version already.
    with django_assert_num_queries(QUERIES - 1):
        text = as_admin.get(whole)
    assert text.content.decode().count("Auto-stop is off.") == 301


def test_a_scientist_asks_and_an_operator_decides(
    client: Client, off: Instance, scientist: User, operator: User
) -> None:
    rule = make_rule()
    form = f"/policies/{rule.pk}/exceptions/{off.pk}/"
    client.force_login(scientist)
    assert "Send request" in client.get(form).content.decode()
    typed = {"until": timezone.localdate() + timedelta(days=2), "reason": "A <run>."}
    assert client.post(form, typed).status_code == 303
    second = client.post(form, typed)
    assert second.status_code == 422
    assert "already been requested" in second.content.decode()
    text = client.get(EXCEPTIONS).content.decode()
    assert "A &lt;run&gt;." in text
    assert "Pending review" in text
    exception = RuleException.objects.get()
    client.force_login(operator)
    decide = f"/policies/exceptions/{exception.pk}/decide/"
    assert client.post(decide, {"decision": "maybe"}).status_code == 303
    exception.refresh_from_db()
    assert exception.state == "asked"
    client.post(decide, {"decision": "approve", "answer": "Fine."})
    exception.refresh_from_db()
    assert (exception.state, exception.answer) == ("approved", "Fine.")
    assert "1 exception" in client.get(COMPLIANCE).content.decode()
    client.post(f"/policies/exceptions/{exception.pk}/end/")
    exception.refresh_from_db()
    assert exception.state == "ended"
    assert off.name in client.get(COMPLIANCE).content.decode()


@pytest.mark.parametrize(
    "bad",
    [
        {"reason": ""},
        {"reason": "x" * 301},
        {"until": "never"},
        {"until": "2020-01-01"},
        {"until": "2999-01-01"},
    ],
)
def test_an_exception_that_makes_no_sense(
    client: Client, off: Instance, scientist: User, bad: dict[str, str]
) -> None:
    client.force_login(scientist)
    typed = {"until": timezone.localdate().isoformat(), "reason": "A run."}
    path = f"/policies/{make_rule().pk}/exceptions/{off.pk}/"
    assert client.post(path, typed | bad).status_code == 422
    assert not RuleException.objects.exists()


@pytest.mark.parametrize("person", ["viewer", "stranger", "scientist"])
def test_scientists_cannot_decide_and_viewers_cannot_request(
    client: Client, asked: RuleException, person: str, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(person))
    decide = f"/policies/exceptions/{asked.pk}/decide/"
    assert client.post(decide, {"decision": "approve"}).status_code == 403
    assert client.post(f"/policies/exceptions/{asked.pk}/end/").status_code == 403
    if person != "scientist":
        form = f"/policies/{asked.rule_id}/exceptions/{asked.instance_id}/"
        assert client.get(form).status_code == 403
    asked.refresh_from_db()
    assert asked.state == "asked"


def test_the_edit_form_says_which_rule_and_the_way_on(
    client: Client, instance: Instance, scientist: User
) -> None:
    rule = make_rule()
    client.force_login(scientist)
    answer = client.post(
        f"{instance.get_absolute_url()}edit/",
        {"description": instance.description, "auto_stop_hours": "8"},
    )
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "A policy does not allow this" in text
    assert rule.reason in text
    assert f"/policies/{rule.pk}/exceptions/{instance.pk}/" in text
    assert not instance.edits.exists()


def test_a_start_is_refused_in_quiet_hours(client: Client, operator: User) -> None:
    instance = factories.make_instance(status="STOPPED")
    hour = timezone.now().hour
    make_rule(
        kind="quiet_hours",
        quiet_from=f"{hour:02}:00",
        quiet_until=f"{(hour + 2) % 24:02}:00",
        time_zone="UTC",
    )
    client.force_login(operator)
    answer = client.post(f"{instance.get_absolute_url()}start/")
    assert answer.status_code == 409
    assert "Nothing can be started during quiet hours" in answer.content.decode()
    assert not instance.edits.exists()


def test_the_last_day_reads_back_as_it_was_typed(
    client: Client, off: Instance, scientist: User
) -> None:
    client.force_login(scientist)
    path = f"/policies/{make_rule().pk}/exceptions/{off.pk}/"
    day = timezone.localdate() + timedelta(days=4)
    client.post(path, {"days": "1", "until": day.isoformat(), "reason": "A run."})
    text = f"through {day:%a} {day.day} {day:%b %Y}"
    assert text in client.get(EXCEPTIONS).content.decode()
    detail = client.get(off.get_absolute_url()).content.decode()
    assert "is requested" in detail
    assert text in detail


@pytest.mark.parametrize(("typed", "days"), [({}, 7), ({"days": "3"}, 3)])
def test_the_last_day_is_chosen_from_presets_a_week_at_first(
    client: Client, off: Instance, scientist: User, typed: dict[str, str], days: int
) -> None:
    client.force_login(scientist)
    path = f"/policies/{make_rule().pk}/exceptions/{off.pk}/"
    assert 'value="7"' in client.get(path).content.decode()
    assert client.post(path, typed | {"reason": "A run."}).status_code == 303
    exception = RuleException.objects.get()
    assert exception.through == timezone.localdate() + timedelta(days=days)


def test_the_page_of_an_instance_tells_of_its_exception(
    client: Client, asked: RuleException, operator: User
) -> None:
    services.decide_exception(exception=asked, actor=operator, approve=True)
    client.force_login(operator)
    text = client.get(asked.instance.get_absolute_url()).content.decode()
    assert "approved by <bdi>operator</bdi>" in text
    assert "Violates" not in text


def test_a_scientist_sees_their_own_violations_first(
    client: Client, off: Instance, scientist: User, operator: User
) -> None:
    foreign = factories.make_instance(
        owner_name="li.wei", owner_id="l", auto_stop_enable=False
    )
    make_rule()
    client.force_login(scientist)
    own = client.get(COMPLIANCE).content.decode()
    assert off.name in own
    assert foreign.name not in own
    everything = client.get(COMPLIANCE, {"whose": "all"}).content.decode()
    assert foreign.name in everything
    client.force_login(operator)
    assert foreign.name in client.get(COMPLIANCE).content.decode()


def test_the_menu_counts_pending_requests(
    client: Client, asked: RuleException, scientist: User, operator: User
) -> None:
    client.force_login(operator)
    assert "exception request" in client.get("/edits/").content.decode()
    client.force_login(scientist)
    assert "exception request" not in client.get("/edits/").content.decode()


def test_queries_do_not_grow_with_prices(
    as_admin: Client, django_assert_num_queries: Any
) -> None:
    make_rule()
    for _ in range(12):
        factories.make_instance(auto_stop_enable=False)
    factories.make_price("2.00")
    current_prices.forget()
    with django_assert_num_queries(QUERIES + 1):  # the prices
        assert as_admin.get(COMPLIANCE).text.count("2.00 EUR an hour") == 12


def test_time_alone_changes_what_a_violation_shows(
    as_admin: Client, off: Instance
) -> None:
    make_rule()
    factories.make_price("2.00")
    current_prices.forget()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        first = " ".join(as_admin.get(COMPLIANCE).text.split())
        clock.shift(timedelta(minutes=6))
        later = " ".join(as_admin.get(COMPLIANCE).text.split())
    assert "26 h 1 min" in first
    assert "26 h 7 min" in later
    assert "about 52.03 EUR so far" in first
    assert "about 52.23 EUR so far" in later


def test_a_change_of_an_instance_shows_on_its_violation(
    as_admin: Client, off: Instance
) -> None:
    make_rule()
    assert off.name in as_admin.get(COMPLIANCE).text
    Instance.objects.filter(pk=off.pk).update(name="renamed")
    FleetVersion.stamp(Instance.objects.filter(pk=off.pk))
    text = as_admin.get(COMPLIANCE).text
    assert "renamed" in text
    assert off.name not in text


def test_a_violation_says_what_it_costs(as_admin: Client, off: Instance) -> None:
    make_rule()
    text = " ".join(as_admin.get(COMPLIANCE).text.split())
    assert "No price" in text
    factories.make_price("2.00")
    current_prices.forget()
    text = " ".join(as_admin.get(COMPLIANCE).text.split())
    assert "2.00 EUR an hour" in text
    assert "about 52.03 EUR so far" in text  # 26 hours and a minute
    off.delete()
    factories.make_instance(status="STOPPED", auto_stop_enable=False)
    FleetVersion.stamp()
    text = " ".join(as_admin.get(COMPLIANCE).text.split())
    assert "2.00 EUR an hour while it runs" in text
    assert "so far" not in text
