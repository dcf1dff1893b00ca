"""The commands that read, and what all commands refuse, with the real application."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.cli.errors import Code
from dashboard.instances.models import Instance
from dashboard.ops.managed_process import PROJECT
from dashboard.policies.models import Rule
from dashboard.schedules.models import Override
from tests.factories import make_instance, make_notebook
from tests.schedules.conftest import make_schedule

from .conftest import Run

pytestmark = pytest.mark.usefixtures("_empty_cache", "_connected")


def test_list_prints_a_table(shell: Run, instance: Instance) -> None:
    code, out, _ = shell("list")
    head, line = out.splitlines()
    assert code == Code.DONE
    assert head.split()[:3] == ["NAME", "STATUS", "OWNER"]
    assert instance.name in line
    assert "anna.schmidt" in line
    assert "1 h 59 min" in line or "2 h 0 min" in line


def test_list_reads_all_pages_and_filters(shell: Run) -> None:
    for _ in range(101):
        make_instance()
    make_instance(name="other", status="STOPPED")
    code, out, _ = shell("--json", "list", "--status", "running", "--sort=-name")
    instances = json.loads(out)
    assert (code, len(instances)) == (0, 101)
    assert instances[0]["name"] > instances[-1]["name"]
    code, _, err = shell("list", "--autostop", "perhaps")
    assert code == Code.REFUSED
    assert "perhaps" in err


def test_schedules_prints_them_in_order(shell: Run) -> None:
    make_schedule(name="GPUs", flavor_type="GPU", tag="team=a")
    make_schedule(name="All", mode="dry_run")
    make_schedule(name="Never", mode="off")
    code, out, _ = shell("schedules")
    lines = [line.split() for line in out.splitlines()]
    assert code == Code.DONE
    assert lines[0] == ["#", "NAME", "MODE", "SCOPE", "INSTANCES", "NEXT"]
    assert lines[1][:5] == ["1", "GPUs", "on", "GPU,", "team=a"]
    assert lines[1][6] == "stop"
    assert lines[2][:5] == ["2", "All", "dry", "run", "all"]
    assert lines[3] == ["3", "Never", "off", "all", "0"]
    assert json.loads(shell("schedules", "--json")[1])["items"][0]["name"] == "GPUs"


def test_policies_and_overrides_are_printed(shell: Run, admin: User) -> None:
    Rule.objects.create(
        name="GPUs", position=1, kind="auto_stop", flavor_type="GPU", mode="enforce"
    )
    code, out, _ = shell("policies")
    assert code == Code.DONE
    assert out.splitlines()[1].split()[:4] == ["1", "GPUs", "enforce", "GPU"]
    Override.objects.create(
        instance=make_instance(name="train"),
        kind="keep",
        until=timezone.now() + timedelta(hours=3),
        reason="Demo",
        created_by=admin,
    )
    code, out, _ = shell("overrides")
    assert code == Code.DONE
    words = out.splitlines()[1].split()
    assert (words[:2], words[-1]) == (["train", "keep"], "Demo")


def test_due_prints_groups(shell: Run) -> None:
    make_instance(name="soon", stops_in=600)
    code, out, _ = shell("due")
    assert code == Code.DONE
    assert "15 minutes (1)" in out
    assert "soon" in out
    assert json.loads(shell("--json", "due")[1])["lanes"]


def test_list_has_the_columns_that_tell_instances_apart(shell: Run) -> None:
    make_notebook(name="old", generation="demanager", tags={})
    head = shell("list")[1].splitlines()[0]
    assert not {"GENERATION", "TAGS"} & set(head.split())
    earliest = (datetime.now(UTC) + timedelta(minutes=5)).astimezone()
    make_notebook(
        idle_seconds=3600, idle_stop_at=earliest, tags={"team": "vision", "gpu": ""}
    )
    head, *lines = shell("list")[1].splitlines()
    assert {"GENERATION", "TAGS"} <= set(head.split())
    [line] = [line for line in lines if "notebooks" in line]
    assert f"stops after 1 h idle, not before {earliest:%H:%M}" in line
    assert "gpu, team=vision" in line
    assert len(shell("list", "--generation", "notebooks")[1].splitlines()) == 2
    assert "vision" in shell("list", "--tag", "team=vision")[1]


def test_json_before_and_behind_the_command(shell: Run, instance: Instance) -> None:
    for arguments in (("--json", "list"), ("list", "--json")):
        (entry,) = json.loads(shell(*arguments)[1])
        assert entry["name"] == instance.name
    assert json.loads(shell("due", "--json")[1])["lanes"]
    output = shell("set", instance.name, "--hours", "4", "--json")[1]
    assert json.loads(output)["change"] == {"auto_stop_seconds": 14_400}


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--status", "FOO"),
        ("list", "--owner", "ana.schmidt"),
        ("list", "--cloud", "dmo"),
        ("due", "--owner", "ana.schmidt"),
        ("list", "--status", "RUNNING,STOPPED"),
    ],
)
def test_a_typo_is_no_empty_list(
    shell: Run, instance: Instance, arguments: tuple[str, ...]
) -> None:
    code, out, err = shell(*arguments)
    assert (code, out) == (Code.REFUSED, "")
    assert arguments[-1] in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--stat", "RUNNING"),
        ("set", "x", "--hours", "nan"),
        ("set", "x", "--hours", "1e999"),
        ("stop", "x", "--timeout", "inf"),
        ("list", "--colour"),
        ("set", "x", "--tag", "=1"),
        ("extend", "x"),
        ("extend", "x", "--hours", "1", "--until", "18:00"),
        ("extend", "x", "--until", "soon"),
        ("undo", "x"),
        ("start", "x", "--hours", "1", "--no-auto-stop"),
    ],
)
def test_arguments_that_are_none(shell: Run, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        shell(*arguments)
    assert ended.value.code == Code.USAGE


def test_refusals(shell: Run, run: Any, instance: Instance, viewer: User) -> None:
    code, _, err = shell("set", instance.name, "--hours", "25")
    assert code == Code.REFUSED
    assert "a run may last 1 to 24 hours" in err
    assert shell("start", instance.name)[0] == Code.REFUSED
    assert shell("set", instance.name)[0] == Code.USAGE
    code, _, err = run(viewer)("stop", instance.name, "--yes")
    assert code == Code.REFUSED
    assert "not change it" in err


def test_a_token_that_has_ended(shell: Run, operator: User) -> None:
    operator.api_tokens.all().delete()
    code, _, err = shell("list")
    assert code == Code.SETUP
    assert "token" in err


def test_a_terminal_obeys_no_notebook(shell: Run) -> None:
    make_instance(name="\x1b[2Jgone\x07", owner_name="a\u202eb")
    _, out, _ = shell("list")
    assert "gone" in out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


def test_the_command_needs_neither_django_nor_settings() -> None:
    ask = "import sys, dashboard.cli.command_line; print('django' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=PROJECT,
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.strip() == "False"
    nowhere = {"CURFEW_URL": "http://127.0.0.1:1", "CURFEW_TOKEN": "canary"}
    ended = subprocess.run(
        [sys.executable, "-m", "dashboard.cli", "list"],
        cwd=PROJECT,
        env=nowhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == Code.UNREACHABLE
    assert ended.stderr == "Cannot reach Curfew at http://127.0.0.1:1 (ConnectError).\n"
