"""The commands that change instances, with the real application."""

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.cli import commands, show
from dashboard.cli.errors import Code
from dashboard.edits.models import Edit
from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import Question
from dashboard.schedules.models import Override
from tests.factories import make_cloud, make_instance, make_notebook
from tests.policies.conftest import make_rule

from .conftest import Run

pytestmark = pytest.mark.usefixtures("_empty_cache", "_connected")


@pytest.mark.parametrize(
    ("arguments", "patch"),
    [
        (["--hours", "4"], {"auto_stop_duration": 14_400}),
        (["--hours", "4.5"], {"auto_stop_duration": 16_200}),
        (["--auto-stop", "off"], {"auto_stop_enable": False}),
        (["--description", "New words"], {"description": "New words"}),
    ],
)
def test_set(
    shell: Run, instance: Instance, arguments: list[str], patch: dict[str, Any]
) -> None:
    code, out, _ = shell("set", instance.name, *arguments)
    assert code == Code.DONE
    edit = Edit.objects.get()
    assert edit.patch == patch
    assert str(edit.pk) in out


def test_an_instance_is_kept_and_no_longer(shell: Run, instance: Instance) -> None:
    code, out, _ = shell("keep", instance.name, "--until", "23:59", "--starts-again")
    assert code == Code.DONE
    assert "Kept until" in out
    override = Override.objects.get()
    assert (override.kind, override.starts_again) == ("keep", True)
    code, out, _ = shell("ignore", instance.name, "--until", "23:59")
    assert "Ignores schedules until" in out
    code, out, _ = shell("ignore", instance.name, "--end")
    assert (code, "again" in out) == (Code.DONE, True)
    assert not Override.objects.filter(ended_at=None).exists()
    code, _, err = shell("skip", instance.name)
    assert code == Code.REFUSED
    assert "No schedule stops" in err
    assert shell("keep", instance.name)[0] == Code.USAGE


@pytest.fixture
def question(instance: Instance) -> Question:
    """Whether the run of an instance is still needed; open for an hour."""
    now = timezone.now()
    return Question.objects.create(
        rule=make_rule(name="Long runs", kind="still_needed", max_seconds=3600),
        instance=instance,
        run_seen_since=now,
        asked_at=now,
        deadline=now + timedelta(hours=1),
    )


def test_questions_prints_what_is_asked_until_when(
    shell: Run, question: Question
) -> None:
    code, out, _ = shell("questions")
    assert code == Code.DONE
    deadline = show.local(question.deadline.isoformat())
    for text in (question.instance.name, f"answer by {deadline}", "Long runs"):
        assert text in out
    (asked,) = json.loads(shell("questions", "--json")[1])
    assert asked["id"] == question.pk
    Question.objects.update(state=Question.State.KEPT)
    assert shell("questions")[1] == "No open questions.\n"
    assert json.loads(shell("--json", "questions")[1]) == []


def test_yes_lets_the_run_go_on(shell: Run, question: Question) -> None:
    make_instance(name="other")
    code, _, err = shell("answer", "other", "yes")
    assert (code, "No open question" in err) == (Code.NOT_APPLIED, True)
    code, out, _ = shell("answer", question.instance.name, "yes")
    assert (code, out) == (Code.DONE, "The run goes on.\n")
    question.refresh_from_db()
    assert question.state == Question.State.KEPT
    assert not Edit.objects.exists()
    code, _, err = shell("answer", question.instance.name, "yes")
    assert (code, "No open question" in err) == (Code.NOT_APPLIED, True)


def test_stop_as_an_answer_is_confirmed_and_stops_the_run(
    shell: Run, question: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = question.instance.name
    assert shell("answer", name, "stop")[0] == Code.USAGE, "no terminal"
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    code, _, err = shell("answer", name, "stop")
    assert (code, "Cancelled." in err) == (Code.NOT_APPLIED, True)
    question.refresh_from_db()
    assert question.state == Question.State.ASKED
    code, out, _ = shell("answer", name, "stop", "--yes", "--json")
    edit = Edit.objects.get()
    assert (code, json.loads(out)["id"]) == (Code.DONE, str(edit.pk))
    assert (edit.kind, edit.instance) == ("stop", question.instance)
    question.refresh_from_db()
    assert question.state == Question.State.STOPPED


@pytest.mark.parametrize("answer", ["yes", "stop"])
def test_a_viewer_cannot_answer(
    run: Any, question: Question, viewer: User, answer: str
) -> None:
    code, _, err = run(viewer)("answer", question.instance.name, answer, "--yes")
    assert code == Code.REFUSED
    assert err
    question.refresh_from_db()
    assert question.state == Question.State.ASKED


@pytest.mark.parametrize("by", ["name", "instance_id", "reference"])
def test_an_instance_by_name_or_id(shell: Run, instance: Instance, by: str) -> None:
    assert shell("stop", getattr(instance, by), "--yes")[0] == Code.DONE
    assert Edit.objects.get().kind == "stop"


def test_a_change_that_is_already_set_does_nothing(
    shell: Run, instance: Instance
) -> None:
    code, out, _ = shell("set", instance.name, "--hours", "8")
    assert (code, Edit.objects.count()) == (Code.DONE, 0)
    assert "Already set" in out


def test_unknown_and_ambiguous_names_are_errors(shell: Run) -> None:
    make_instance(name="twin", cloud=make_cloud("a"))
    make_instance(name="twin", cloud=make_cloud("b"))
    assert shell("stop", "nobody")[0] == Code.NOT_FOUND
    assert shell("stop", "demo/nobody")[0] == Code.NOT_FOUND
    code, _, err = shell("stop", "twin")
    assert code == Code.NOT_FOUND
    assert "a/DE-" in err
    assert "b/DE-" in err


@pytest.mark.parametrize(
    ("arguments", "patch"),
    [
        ([], {"auto_stop_enable": True, "auto_stop_duration": 3_600}),
        (["--hours", "2.5"], {"auto_stop_enable": True, "auto_stop_duration": 9_000}),
        (["--no-auto-stop"], {"auto_stop_enable": False}),
    ],
)
def test_start_a_notebook(
    shell: Run, arguments: list[str], patch: dict[str, Any]
) -> None:
    stopped = make_notebook(status="STOPPED")
    Cloud.objects.update(allows_no_auto_stop=True)
    assert shell("start", stopped.name, *arguments)[0] == Code.DONE
    assert Edit.objects.get().patch == patch


@pytest.mark.parametrize(
    ("arguments", "patch"),
    [
        (["--name", "churn-2"], {"name": "churn-2"}),
        (["--tag", "gpu=1"], {"tags": {"team": "vision", "gpu": "1"}}),
        (["--tag", "gpu", "--remove-tag", "team"], {"tags": {"gpu": ""}}),
    ],
)
def test_set_of_a_notebook(
    shell: Run, arguments: list[str], patch: dict[str, Any]
) -> None:
    notebook = make_notebook()
    Cloud.objects.update(has_tags=True)
    code, _, err = shell("set", notebook.name, *arguments)
    assert code == Code.DONE, err
    assert Edit.objects.get().patch == patch


def test_extend(shell: Run) -> None:
    notebook = make_notebook()
    code, out, err = shell("extend", notebook.name, "--hours", "4.5")
    assert code == Code.DONE, err
    assert "End: 20" in out
    until = (datetime.now(UTC) + timedelta(hours=6)).replace(microsecond=0)
    code, out, _ = shell(
        "--json", "extend", notebook.name, "--until", until.isoformat()
    )
    assert datetime.fromisoformat(json.loads(out)["until"]) == until
    assert shell("extend", notebook.name, "--idle-hours", "2")[0] == Code.DONE
    assert [edit.kind for edit in Edit.objects.all()] == ["extend"] * 3


def test_extend_is_refused_with_the_reason(shell: Run, instance: Instance) -> None:
    code, _, err = shell("extend", instance.name, "--hours", "4")
    assert code == Code.REFUSED
    assert "old API" in err
    code, _, err = shell("extend", make_notebook().name, "--hours", "99")
    assert code == Code.REFUSED
    assert "at most 24 hours" in err


class Terminal(io.StringIO):
    """Standard input that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "stopped"), [("y\n", True), ("YES\n", True), ("n\n", False), ("", False)]
)
def test_a_stop_is_confirmed_by_who_sees_which_it_is(
    shell: Run,
    instance: Instance,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    stopped: bool,
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    code, out, err = shell("stop", instance.name, "--json")
    for text in (instance.reference, "anna.schmidt", instance.flavor, "Running"):
        assert text in err
    assert "since 20" in err
    assert Edit.objects.count() == stopped
    assert code == (Code.DONE if stopped else Code.NOT_APPLIED)
    # Standard output does not contain the question.
    assert json.loads(out)["kind"] == "stop" if stopped else not out


def test_without_a_terminal_a_stop_has_to_be_meant(
    shell: Run, instance: Instance
) -> None:
    code, _, err = shell("stop", instance.name)
    assert code == Code.USAGE
    assert "--yes" in err
    assert not Edit.objects.exists()
    # A start needs no confirmation.
    assert shell("start", instance.name)[0] == Code.REFUSED


def test_restart(
    shell: Run, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell("restart", instance.name)[0] == Code.USAGE
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    code, _, err = shell("restart", instance.name)
    assert (code, Edit.objects.count()) == (Code.NOT_APPLIED, 0)
    assert "Restart? [y/N]" in err
    code, out, _ = shell("restart", instance.name, "--yes", "--json")
    assert code == Code.DONE
    start = Edit.objects.get(kind="start")
    assert json.loads(out)["start"] == str(start.pk)


@pytest.mark.parametrize(
    ("ends", "code", "shown"),
    [
        ({"stop": "applied", "start": "applied"}, Code.DONE, "start"),
        ({"stop": "failed", "start": "cancelled"}, Code.NOT_APPLIED, "stop"),
        ({"stop": "applied", "start": "failed"}, Code.NOT_APPLIED, "start"),
    ],
)
def test_restart_waits_for_the_start(
    shell: Run,
    instance: Instance,
    monkeypatch: pytest.MonkeyPatch,
    ends: dict[str, str],
    code: Code,
    shown: str,
) -> None:
    waiting = iter(ends.items())

    def deliver(seconds: float) -> None:
        kind, state = next(waiting)
        Edit.objects.filter(kind=kind).update(state=state)

    monkeypatch.setattr(commands.time, "sleep", deliver)
    ended, out, _ = shell("restart", instance.name, "--yes", "--wait", "--json")
    assert (ended, json.loads(out)["kind"]) == (code, shown)


def test_undo(shell: Run, instance: Instance) -> None:
    assert shell("set", instance.reference, "--description", "x")[0] == Code.DONE
    edit = Edit.objects.get()
    assert shell("undo", str(edit.pk))[0] == Code.REFUSED
    Edit.objects.update(state="applied", finished_at=timezone.now())
    Instance.objects.update(description="x")
    assert shell("undo", str(edit.pk))[0] == Code.DONE
    assert edit.undos.get().patch == {"description": instance.description}
    # The undo of a start is a stop, which has to be meant.
    Edit.objects.filter(pk=edit.pk).update(kind="start", patch={})
    edit.undos.all().delete()
    assert shell("undo", str(edit.pk))[0] == Code.USAGE
    assert shell("undo", str(edit.pk), "--yes")[0] == Code.DONE
    assert edit.undos.get().kind == "stop"


def test_watch_prints_a_line_of_json_for_each_change(
    shell: Run, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands.time, "sleep", interrupted)
    code, out, _ = shell("watch", "--json")
    assert code == Code.INTERRUPTED
    assert [entry["name"] for entry in json.loads(out)] == [instance.name]


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("applied", Code.DONE),
        ("failed", Code.NOT_APPLIED),
        ("conflict", Code.NOT_APPLIED),
        ("cancelled", Code.NOT_APPLIED),
    ],
)
def test_wait_until_it_is_completed(
    shell: Run,
    instance: Instance,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    code: Code,
) -> None:
    def worker(seconds: float) -> None:
        Edit.objects.update(state=state)

    monkeypatch.setattr(commands.time, "sleep", worker)
    ended, out, _ = shell("--json", "stop", instance.name, "--wait", "--yes")
    assert ended == code
    assert json.loads(out)["state"] == state


def test_wait_is_not_for_ever(shell: Run, instance: Instance) -> None:
    code, _, _ = shell("stop", instance.name, "-y", "--wait", "--timeout", "0")
    assert code == Code.STILL_OPEN
