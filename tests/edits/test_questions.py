"""Owners of long runs are asked whether they are still needed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.edits import automatic_batches, dispatch, tasks
from dashboard.edits.answers import answer
from dashboard.edits.authority import why_withdrawn
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from dashboard.policies import services
from dashboard.policies.models import Question, Rule, RuleException
from dashboard.policies.questions import QuestionClosedError
from dashboard.reminders import planning
from dashboard.schedules.models import Override
from tests.factories import make_instance, make_notebook
from tests.policies.conftest import make_rule

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "enqueue", Mock())


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def long(db: None, clock: time_machine.Traveller) -> Instance:
    """A notebook of anna that has run for ten hours."""
    return make_notebook(
        owner_name="anna.schmidt",
        run_started_at=NOON - 10 * HOUR,
        status_since=NOON - 10 * HOUR,
        first_seen_at=NOON - 48 * HOUR,
        stops_in=12 * 3600,
    )


def asks(**fields: Any) -> Rule:
    """Ask after 8 hours; half an hour to answer, again after four."""
    defaults = {
        "name": "Still needed?",
        "kind": Rule.Kind.STILL_NEEDED,
        "max_seconds": 8 * 3600,
        "answer_seconds": 1800,
        "again_seconds": 4 * 3600,
        "acts": True,
    }
    return make_rule(**(defaults | fields))


def tick(clock: time_machine.Traveller, by: timedelta = timedelta()) -> None:
    """Let time pass; then the policy asks, and the planner tells the owners."""
    clock.shift(by)
    tasks.enforce_rules()
    planning.plan()


def states() -> list[str]:
    return list(Question.objects.order_by("pk").values_list("state", flat=True))


def actions() -> list[str]:
    events = AuditEvent.objects.filter(action__startswith="question.")
    return list(events.order_by("pk").values_list("action", flat=True))


def test_an_unanswered_question_stops_the_run_once(
    long: Instance, scientist: User, clock: time_machine.Traveller
) -> None:
    make_notebook(run_started_at=NOON - HOUR)
    rule = asks()
    tick(clock)
    question = Question.objects.get()
    assert (question.instance, question.deadline) == (long, NOON + HOUR / 2)
    assert question.announced_at == NOON
    tick(clock, timedelta(minutes=29))
    assert not Edit.objects.exists()
    tick(clock, timedelta(minutes=1))
    tick(clock)
    edit = Edit.objects.get()
    assert (edit.kind, edit.actor, edit.rule) == (Edit.Kind.STOP, None, rule)
    assert states() == ["unanswered"]
    assert not why_withdrawn(edit)
    assert actions() == ["question.asked", "question.unanswered"]


def test_a_yes_lets_the_run_go_on_until_the_next_question(
    long: Instance, scientist: User, clock: time_machine.Traveller
) -> None:
    asks()
    tick(clock)
    question = Question.objects.get()
    assert answer(question=question, actor=scientist, is_needed=True) is None
    tick(clock, timedelta(hours=3, minutes=59))
    assert states() == ["kept"]
    tick(clock, timedelta(minutes=1))
    assert states() == ["kept", "asked"]
    assert not Edit.objects.exists()
    event = AuditEvent.objects.get(action="question.kept")
    assert event.actor_id == scientist.pk


def test_a_stop_is_an_edit_of_the_person(
    long: Instance, scientist: User, viewer: User, clock: time_machine.Traveller
) -> None:
    asks()
    tick(clock)
    question = Question.objects.get()
    with pytest.raises(PermissionDenied):
        answer(question=question, actor=viewer, is_needed=False)
    edit = answer(question=question, actor=scientist, is_needed=False)
    assert edit is not None
    assert (edit.actor, edit.kind) == (scientist, Edit.Kind.STOP)
    with pytest.raises(QuestionClosedError, match="already answered: stop it"):
        answer(question=question, actor=scientist, is_needed=True)
    tick(clock, HOUR)
    assert Edit.objects.count() == 1


@pytest.mark.parametrize("fields", [{"mode": "report", "acts": False}, {"acts": False}])
def test_a_policy_that_does_not_act_only_asks(
    long: Instance, clock: time_machine.Traveller, fields: dict[str, Any]
) -> None:
    asks(**fields)
    tick(clock)
    tick(clock, HOUR)
    assert states() == ["unanswered"]
    assert not Edit.objects.exists()


def test_nothing_stops_before_owners_were_told(
    long: Instance, clock: time_machine.Traveller
) -> None:
    asks()
    tasks.enforce_rules()
    clock.shift(2 * HOUR)
    tasks.enforce_rules()
    assert states() == ["asked"], "the planner was down"
    planning.plan()
    assert Question.objects.get().deadline == NOON + 2 * HOUR + HOUR / 2
    tick(clock, timedelta(minutes=29))
    assert states() == ["asked"]
    tick(clock, timedelta(minutes=1))
    assert Edit.objects.count() == 1


def test_a_crash_between_the_deadline_and_the_stop_leaves_both_undone(
    long: Instance, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks()
    tick(clock)
    clock.shift(HOUR)
    with monkeypatch.context() as patch:
        crash = Mock(side_effect=RuntimeError)
        patch.setattr(automatic_batches, "create_for_rule", crash)
        tasks.enforce_rules()
    assert crash.called
    assert states() == ["asked"]
    tick(clock)
    tick(clock)
    assert states() == ["unanswered"]
    assert Edit.objects.count() == 1


@pytest.mark.parametrize("why", ["stopped", "new run", "exception", "off", "kept"])
def test_a_question_that_nobody_needs_is_withdrawn(
    long: Instance,
    scientist: User,
    operator: User,
    admin: User,
    clock: time_machine.Traveller,
    why: str,
) -> None:
    rule = asks()
    tick(clock)
    if why == "stopped":
        Instance.objects.update(status="STOPPED", status_since=NOON)
    elif why == "new run":
        Instance.objects.update(status_since=NOON, run_started_at=NOON)
    elif why == "exception":
        services.request_exception(
            rule=rule,
            instance=long,
            actor=operator,
            until=NOON + 24 * HOUR,
            reason="Training.",
        )
        assert RuleException.objects.get().state == "approved"
    elif why == "off":
        rule.mode = Rule.Mode.OFF
        services.save_rule(rule=rule, actor=admin)
    else:
        Override.objects.create(
            instance=long, kind="keep", until=NOON + 9 * HOUR, created_by=scientist
        )
    tick(clock, HOUR)
    assert states() == ["withdrawn"]
    assert not Edit.objects.exists()


def test_a_stop_without_answer_is_withdrawn_when_the_run_is_another(
    long: Instance, clock: time_machine.Traveller
) -> None:
    rule = asks()
    tick(clock)
    tick(clock, HOUR)
    Instance.objects.update(status_since=timezone.now())
    assert why_withdrawn(Edit.objects.get())
    rule.delete()
    assert why_withdrawn(Edit.objects.get())


def test_the_page_asks_and_takes_an_answer(
    client: Client, long: Instance, scientist: User, clock: time_machine.Traveller
) -> None:
    asks()
    tick(clock)
    client.force_login(scientist)
    page = f"/questions/{Question.objects.get().pk}/"
    for path in ("/", long.get_absolute_url(), page):
        text = client.get(path).content.decode()
        assert f'action="{page}"' in text
        assert "it is stopped" in text
    assert states() == ["asked"]
    assert client.post(page, {"answer": "perhaps"}).status_code == 303
    assert states() == ["asked"]
    done = client.post(page, {"answer": "yes"})
    assert (done.status_code, done["Location"]) == (303, long.get_absolute_url())
    assert states() == ["kept"]
    assert client.post(page, {"answer": "stop"}).status_code == 410
    assert f'action="{page}"' not in client.get("/").content.decode()


@pytest.mark.parametrize("person", ["viewer", "stranger"])
def test_others_cannot_answer(
    client: Client,
    long: Instance,
    person: str,
    request: pytest.FixtureRequest,
    clock: time_machine.Traveller,
) -> None:
    asks()
    tick(clock)
    client.force_login(request.getfixturevalue(person))
    page = f"/questions/{Question.objects.get().pk}/"
    assert f'action="{page}"' not in client.get(page).content.decode()
    assert client.post(page, {"answer": "stop"}).status_code == 403
    assert states() == ["asked"]


def test_policies_that_ask_refuse_and_report_nothing(
    client: Client, long: Instance, admin: User, clock: time_machine.Traveller
) -> None:
    asks(acts=False)
    client.force_login(admin)
    text = client.get("/policies/compliance/").content.decode()
    assert "No policies yet" in text
    stopped = make_instance(status="STOPPED")
    assert client.post(f"{stopped.get_absolute_url()}start/").status_code == 303
    rule = Rule.objects.get()
    text = client.get(f"/policies/{rule.pk}/acting/").content.decode()
    assert "Turn on for 1 instance" in text
    assert long.name in text
    client.post(f"/policies/{rule.pk}/acting/", {"acts": "on"})
    rule.refresh_from_db()
    assert rule.acts


def test_an_admin_writes_one_after_its_preview(client: Client, admin: User) -> None:
    client.force_login(admin)
    typed = {"name": "Still needed?", "reason": "Money.", "kind": "still_needed"}
    typed |= {"mode": "report", "ask_hours": "8", "answer_minutes": "60"}
    assert client.post("/policies/new/", typed).status_code == 422
    late = client.post("/policies/new/", typed | {"again_hours": "1"})
    assert "would be asked now" in late.content.decode()
    typed |= {"answer_minutes": "61", "again_hours": "1"}
    assert client.post("/policies/new/", typed).status_code == 422
    typed |= {"again_hours": "4.5"}
    shown = client.post("/policies/new/", typed)
    typed["previewed"] = shown.context["previewed"]
    assert client.post("/policies/new/", typed).status_code == 303
    rule = Rule.objects.get()
    assert (rule.max_seconds, rule.answer_seconds) == (8 * 3600, 61 * 60)
    assert rule.again_seconds == 4.5 * 3600
    text = client.get(rule.get_absolute_url()).content.decode()
    assert 'value="4.5"' in text
