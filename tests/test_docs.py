"""What can be configured or queued has its line in docs/."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import SecretStr

from dashboard.celery import app
from dashboard.config import Config
from dashboard.metrics.collector import CurfewCollector

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()


def rows(text: str) -> dict[str, str]:
    """Table rows by their first cell."""
    return {
        line.split("|")[1].strip(" `"): line
        for line in text.splitlines()
        if line.startswith("| ")
    }


def task_names() -> list[str]:
    for path in ROOT.glob("dashboard/*/tasks.py"):
        import_module(f"dashboard.{path.parent.name}.tasks")
    return sorted(name for name in app.tasks if not name.startswith("celery."))


@pytest.mark.parametrize("name", Config.model_fields)
def test_every_setting_has_its_line(name: str) -> None:
    row = rows(SETTINGS)[f"CURFEW_{name.upper()}"]
    field = Config.model_fields[name]
    if field.is_required():
        assert "required" in row
    elif field.default is None:
        assert "where" in row, "it depends, so the row says on what"
    elif isinstance(field.default, SecretStr) or field.default in ("", {}):
        assert "| empty |" in row
    elif isinstance(field.default, list):
        assert ",".join(map(str, field.default)) in row
    else:
        assert f"`{str(field.default).removesuffix('.0').lower()}`" in row.lower()


def test_no_line_for_a_setting_that_is_gone() -> None:
    described = {name for name in rows(SETTINGS) if name.startswith("CURFEW_")}
    assert described == {f"CURFEW_{name.upper()}" for name in Config.model_fields}


@pytest.mark.parametrize("name", task_names())
def test_every_task_has_its_line(name: str) -> None:
    queue = app.amqp.router.route({}, name)["queue"].name
    assert f"`{queue}`" in rows(OPERATIONS)[name]


def test_no_line_for_a_task_that_is_gone() -> None:
    described = {name for name in rows(OPERATIONS) if "." in name.partition(" ")[0]}
    assert {name for name in described if " " not in name} == set(task_names())


@pytest.mark.django_db
def test_every_metric_has_its_line() -> None:
    told = {family.name for family in CurfewCollector().collect()}
    assert len(told) > 15, "database and Redis are up"
    assert {name for name in rows(OPERATIONS) if name.startswith("curfew_")} == told


@pytest.mark.parametrize(
    "command",
    [
        "pip install uv && uv run manage.py demo",
        "pip install uv && uv run --group dev pytest",
    ],
)
def test_the_two_commands(command: str) -> None:
    assert command in README.splitlines()


def test_ci_runs_the_readmes_test_command() -> None:
    assert (
        "pip install uv && uv run --group dev pytest"
        in (ROOT / ".ci" / "run").read_text()
    )


def test_the_changelog_has_each_group_once_and_in_order() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    order = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    for release in changelog.split("\n## ")[1:]:
        groups = re.findall(r"^### (.+)$", release, re.M)
        assert groups == [group for group in order if group in groups]


def quoted_messages() -> list[str]:
    """What the table "Troubleshooting" quotes from pages and commands."""
    _, _, section = OPERATIONS.partition("## Troubleshooting")
    cells = [line.split("|")[1] for line in section.splitlines() if line[:2] == "| "]
    parts = (part for cell in cells for part in re.findall(r'"([^"]+)"', cell))
    return [text.strip() for part in parts for text in part.split("…")]


@pytest.mark.parametrize("text", [text for text in quoted_messages() if len(text) > 1])
def test_a_quoted_message_is_one(text: str) -> None:
    catalog = (ROOT / "locale" / "de" / "LC_MESSAGES" / "django.po").read_text()
    code = "".join(path.read_text() for path in ROOT.glob("dashboard/**/*.py"))
    joined = re.sub(r'"\n"', "", catalog) + re.sub(r'"\s*\n\s*f?"', "", code)
    assert text in joined
