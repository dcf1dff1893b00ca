"""The commands, against the application itself."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from django.core import signals
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections

from dashboard.accounts.models import User
from dashboard.api.services import make_token
from dashboard.cli import client, commands
from dashboard.cli.errors import Code
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance
from dashboard.ops.managed_process import PROJECT
from tests.factories import make_cloud, make_instance

pytestmark = pytest.mark.usefixtures("_empty_cache")


@pytest.fixture(autouse=True)
def _connected() -> Iterator[None]:
    """Whole requests close the database's connection, which here is the test's own."""
    ends = (signals.request_started, signals.request_finished)
    for end in ends:
        end.disconnect(close_old_connections)
    yield
    for end in ends:
        end.connect(close_old_connections)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[User], Run]:
    """Somebody's shell."""
    transport = httpx.WSGITransport(app=WSGIHandler(), raise_app_exceptions=False)
    monkeypatch.setattr(commands, "Api", partial(client.Api, transport=transport))
    monkeypatch.setattr(commands.time, "sleep", lambda seconds: None)

    def shell_of(person: User) -> Run:
        _, secret = make_token(
            owner=person, name="shell", scopes=["read", "write"], days=1
        )
        monkeypatch.setenv("CURFEW_URL", "http://localhost")
        monkeypatch.setenv("CURFEW_TOKEN", secret)

        def command(*arguments: str) -> tuple[int, str, str]:
            capsys.readouterr()
            code = commands.main(arguments)
            printed = capsys.readouterr()
            assert secret not in printed.out + printed.err
            return code, printed.out, printed.err

        return command

    return shell_of


@pytest.fixture
def shell(run: Callable[[User], Run], operator: User) -> Run:
    return run(operator)


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
    found = json.loads(out)
    assert (code, len(found)) == (0, 101)
    assert found[0]["name"] > found[-1]["name"]
    code, _, err = shell("list", "--autostop", "perhaps")
    assert code == Code.REFUSED
    assert "perhaps" in err


def test_due_prints_lanes(shell: Run) -> None:
    make_instance(name="soon", stops_in=600)
    code, out, _ = shell("due")
    assert code == Code.DONE
    assert "15 minutes (1)" in out
    assert "soon" in out
    assert json.loads(shell("--json", "due")[1])["buckets"]


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


@pytest.mark.parametrize("by", ["name", "instance_id", "reference"])
def test_an_instance_by_name_or_id(shell: Run, instance: Instance, by: str) -> None:
    assert shell("stop", getattr(instance, by), "--yes")[0] == Code.DONE
    assert Edit.objects.get().kind == "stop"


def test_what_is_so_already(shell: Run, instance: Instance) -> None:
    code, out, _ = shell("set", instance.name, "--hours", "8")
    assert (code, Edit.objects.count()) == (Code.DONE, 0)
    assert "Already set" in out


def test_nobody_and_several(shell: Run) -> None:
    make_instance(name="twin", cloud=make_cloud("a"))
    make_instance(name="twin", cloud=make_cloud("b"))
    assert shell("stop", "nobody")[0] == Code.NOT_FOUND
    assert shell("stop", "demo/nobody")[0] == Code.NOT_FOUND
    code, _, err = shell("stop", "twin")
    assert code == Code.NOT_FOUND
    assert "a/DE-" in err
    assert "b/DE-" in err


class Terminal(io.StringIO):
    """Somebody who types."""

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
    for said in (instance.reference, "anna.schmidt", instance.flavor, "Running"):
        assert said in err
    assert "since 20" in err
    assert Edit.objects.count() == stopped
    assert code == (Code.DONE if stopped else Code.NOT_APPLIED)
    # What a script reads holds no question.
    assert json.loads(out)["kind"] == "stop" if stopped else not out


def test_without_a_terminal_a_stop_has_to_be_meant(
    shell: Run, instance: Instance
) -> None:
    code, _, err = shell("stop", instance.name)
    assert code == Code.USAGE
    assert "--yes" in err
    assert not Edit.objects.exists()
    # A start is not asked about.
    assert shell("start", instance.name)[0] == Code.REFUSED


def test_json_before_and_behind_the_command(shell: Run, instance: Instance) -> None:
    for arguments in (("--json", "list"), ("list", "--json")):
        (one,) = json.loads(shell(*arguments)[1])
        assert one["name"] == instance.name
    assert json.loads(shell("due", "--json")[1])["buckets"]
    told = shell("set", instance.name, "--hours", "4", "--json")[1]
    assert json.loads(told)["wish"] == {"auto_stop_seconds": 14_400}


def test_watch_prints_a_line_of_json_for_each_change(
    shell: Run, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands.time, "sleep", interrupted)
    code, out, _ = shell("watch", "--json")
    assert code == Code.INTERRUPTED
    assert [one["name"] for one in json.loads(out)] == [instance.name]


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


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("applied", Code.DONE),
        ("failed", Code.NOT_APPLIED),
        ("conflict", Code.NOT_APPLIED),
        ("cancelled", Code.NOT_APPLIED),
    ],
)
def test_wait_until_it_is_settled(
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


def test_a_terminal_obeys_no_notebook(shell: Run) -> None:
    make_instance(name="\x1b[2Jgone\x07", owner_name="a\u202eb")
    _, out, _ = shell("list")
    assert "gone" in out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


def test_it_needs_neither_django_nor_settings() -> None:
    ask = "import sys, dashboard.cli.commands; print('django' in sys.modules)"
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
    assert ended.stderr == "Cannot reach Curfew (ConnectError).\n"
