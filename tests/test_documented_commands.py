"""Each command that a document names starts, from a fresh copy of the project.

A command is run in its shortest form: ``--help``, or with little to do. A document that
names a command which is not listed here fails the tests.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from django.core.management import CommandParser, get_commands, load_command_class

from . import migrated
from .guards import LEFT_OUT

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/**/*.md")),
]
PYTHON = sys.executable
NOTHING = "no-guard-has-this-word"

SHORTEST = {
    "python -m dashboard.emulator": [[PYTHON, "-m", "dashboard.emulator", "--help"]],
    "python -m dashboard.cli": [[PYTHON, "-m", "dashboard.cli", "--help"]],
    "python -m tests.benchmarks": [
        [
            PYTHON,
            "-m",
            "tests.benchmarks",
            "--quick",
            "--watch-seconds=2",
            *(
                f"--only={part}"
                for part in ("fleets", "edits", "watchers", "costs", "starts")
            ),
        ]
    ],
    "python -m tests.benchmarks.notifications": [
        [PYTHON, "-m", "tests.benchmarks.notifications", "--hours=1", "--fleet=200"]
    ],
    "python -m tests.browser.take_screenshots": [
        [PYTHON, "-m", "tests.browser.take_screenshots", "--help"]
    ],
    "python -m tests.identifiers": [[PYTHON, "-m", "tests.identifiers"]],
    "python -m tests.guards": [[PYTHON, "-m", "tests.guards", NOTHING]],
    "python -m tests.translation.messages": [
        [PYTHON, "-m", "tests.translation.messages"]
    ],
    "celery worker": [
        [PYTHON, "-m", "celery", "--app", "dashboard", "worker", "--help"]
    ],
    "celery beat": [[PYTHON, "-m", "celery", "--app", "dashboard", "beat", "--help"]],
    "deploy/make-secrets": [["deploy/make-secrets"]],
}
"""By program: the command lines that CI runs."""

RUN_ELSEWHERE = {
    "deploy/init-database.sh": "docker-compose.yml",  # tests/ops/compose.py runs it
    "docker": "tests/ops/test_compose.py",  # there is no engine on CI
    "kubectl": "tests/ops/test_kubernetes.py",  # nor a cluster
    "pre-commit": ".ci/run",
    "pytest": ".ci/run",
    "python -m tests.prose": ".pre-commit-config.yaml",
    "requirements/compile": ".pre-commit-config.yaml",
}
"""By program: the file in which CI runs it."""


NOT_RUN = {
    ".ci/run",  # runs this test
    "manage.py makemessages",  # named as what is not needed
}


class Documented(NamedTuple):
    """A command as a document names it.

    Attributes:
        document: Path below the project.
        program: What is started, as in ``SHORTEST``.
        arguments: What follows the program, in a shell's words.
    """

    document: str
    program: str
    arguments: list[str]


def _texts(document: Path) -> Iterator[str]:
    """The command lines of code blocks, and whatever stands between backticks."""
    text = document.read_text()
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S):
        yield from block.replace("\\\n", " ").splitlines()
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    yield from (re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`]+)`", prose))


def _commands(document: Path) -> Iterator[Documented]:
    for text in _texts(document):
        for part in re.split(r"&& |\| ", text.removeprefix("$ ")):
            try:
                words = shlex.split(part.removesuffix("&"), comments=True)
            except ValueError:  # not a command: an apostrophe of prose
                continue
            if found := _program(words):
                yield Documented(str(document.relative_to(ROOT)), *found)


def _program(words: list[str]) -> tuple[str, list[str]] | None:
    """The program and its arguments; ``None`` for what is no command of ours."""
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    match words:
        case ["uv", "run", "--group", "dev", *rest] | ["uv", "run", *rest]:
            return _program(rest)
        case ["python", "manage.py", name, *rest] | ["manage.py", name, *rest]:
            return f"manage.py {name}", rest
        case ["python", "-m", module, *rest]:
            return f"python -m {module}", rest
        case ["celery", "--app", "dashboard", name, *rest]:
            return f"celery {name}", rest
        case ["docker" | "pytest" | "pre-commit" as program, *rest] if rest:
            return program, rest
        case [str(program), *rest] if re.match(r"(\.ci|deploy|requirements)/", program):
            file = ROOT / program
            runs = file.is_file() and os.access(file, os.X_OK)
            return (program, rest) if runs else None
    return None


COMMANDS = [found for document in DOCUMENTS for found in _commands(document)]
MANAGEMENT = {
    found.program for found in COMMANDS if found.program.startswith("manage.py ")
} - NOT_RUN
LINES = [
    *(line for program in sorted(SHORTEST) for line in SHORTEST[program]),
    [PYTHON, "manage.py", "doctor", "--help"],
]


@pytest.fixture(scope="module")
def fresh_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project without anything that is not in it: databases, settings, tools."""
    copy = tmp_path_factory.mktemp("fresh") / "project"
    # Compiled modules count only while they are as old as their source.
    left_out = shutil.ignore_patterns(*{*LEFT_OUT} - {"__pycache__"})
    shutil.copytree(ROOT, copy, ignore=left_out)
    # What databases of tests are copied from is made once for both.
    migrated.FOLDER.mkdir(parents=True, exist_ok=True)
    there = copy / migrated.FOLDER.relative_to(ROOT)
    there.parent.mkdir()
    there.symlink_to(migrated.FOLDER)
    return copy


def test_the_documents_name_commands() -> None:
    assert len(COMMANDS) > 40
    assert {"manage.py demo", "python -m tests.benchmarks", "celery beat"} <= {
        found.program for found in COMMANDS
    }


@pytest.mark.parametrize("documented", COMMANDS, ids=lambda found: " ".join(found[:2]))
def test_ci_runs_each_command_of_a_document(documented: Documented) -> None:
    known = {*SHORTEST, *RUN_ELSEWHERE, *MANAGEMENT, *NOT_RUN}
    assert documented.program in known


@pytest.mark.parametrize(("program", "file"), RUN_ELSEWHERE.items())
def test_what_is_run_elsewhere_is_run_there(program: str, file: str) -> None:
    assert program in (ROOT / file).read_text()


@pytest.mark.parametrize(
    "documented",
    [found for found in COMMANDS if found.program in MANAGEMENT and found.arguments],
    ids=lambda found: " ".join([*found[:2], *found[2]]),
)
def test_a_management_command_takes_the_documented_arguments(
    documented: Documented,
) -> None:
    _parser(documented.program).parse_args(documented.arguments)


@pytest.mark.parametrize("program", sorted(MANAGEMENT))
def test_a_documented_management_command_exists(program: str) -> None:
    assert _parser(program).format_help()


def _parser(program: str) -> CommandParser:
    name = program.removeprefix("manage.py ")
    command = load_command_class(get_commands()[name], name)
    return command.create_parser("manage.py", name)


def test_compose_has_the_services_that_a_document_names() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for found in COMMANDS:
        if found.program == "docker" and {"exec", "run"} & set(found.arguments):
            assert set(found.arguments) & set(services), found


@pytest.mark.stack  # begins early: the benchmarks among them take long
@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line[-5:]))
@pytest.mark.timeout(600)
def test_the_command_starts(line: list[str], fresh_copy: Path) -> None:
    ended = subprocess.run(
        line,
        cwd=fresh_copy,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "CURFEW_SECRET_KEY": "only-for-this-test-" * 3,
            "CURFEW_REDIS_URL": "redis://127.0.0.1:1/0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
