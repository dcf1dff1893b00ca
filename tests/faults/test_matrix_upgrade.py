"""Another release takes over: the rows S2 and B4 of the fault matrix.

The other release is a copy of this one, with a column more. What each row means stands
in ``docs/reliability.md``.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dashboard.ops.managed_process import PROJECT, ManagedProcess
from tests.ops.processes import wait_until

from .evidence import Acceptance
from .person import OpenForm, Person, SaveError
from .stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

COLUMN = "urgency"
FIELD = f"{COLUMN} = models.IntegerField(db_default=7)"
MIGRATION = f"""
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("edits", "{{before}}")]
    operations = [
        migrations.AddField("edit", "{COLUMN}", {FIELD.partition(" = ")[2]})
    ]
"""


@pytest.fixture(scope="module")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a release whose edits have a column more."""
    folder = tmp_path_factory.mktemp("next-release")
    for part in ("dashboard", "templates", "static", "locale", "var/static"):
        shutil.copytree(PROJECT / part, folder / part)
    shutil.copy(PROJECT / "manage.py", folder)
    models = folder / "dashboard" / "edits" / "models.py"
    known = "    deadline_at = "
    before, found, after = models.read_text().partition(known)
    assert found
    models.write_text(f"{before}    {FIELD}\n{known}{after}")
    migrations = models.with_name("migrations")
    last = max(path.stem for path in migrations.glob("0*.py"))
    text = MIGRATION.format(before=last)
    (migrations / "9999_urgency.py").write_text(text)
    return folder


def migrate(stack: Stack, release: Path) -> subprocess.CompletedProcess[str]:
    """What the documents say to do first."""
    return subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        cwd=release,
        env=os.environ | stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_fault_s2_migration_under_load(stack: Stack, next_release: Path) -> None:
    people = [stack.sign_in(name) for name in ("oskar", "olga", "ada")]
    stack.fault("delay", route="show", latency_seconds=0.3)
    instances = [stack.take_instance() for _ in people]
    is_over = False

    def save_on(person: Person, instance: str) -> None:
        last = False
        for number in range(1000):
            # Each once more on the new schema.
            text = f"S2 {number}"
            last, was_last = is_over, last
            stack.accepted.append(save_when_possible(person.open(instance), text))
            if was_last:
                break

    with ThreadPoolExecutor(len(people)) as pool:
        jobs = [
            pool.submit(save_on, *pair) for pair in zip(people, instances, strict=True)
        ]
        try:
            wait_until(
                lambda: all(map(stack.puts, instances)) or any(j.done() for j in jobs)
            )
            done = migrate(stack, next_release)
        finally:
            is_over = True
        for job in jobs:
            job.result()
    assert done.returncode == 0, done.stderr
    assert COLUMN in stack.ask("columns")
    stack.clear_faults()
    stack.wait_until_all_ended()
    newest = {
        one.instance: one.requested["description"]
        for one in stack.accepted
        if one.instance in instances
    }
    for instance in instances:
        assert stack.in_cloud(instance)["description"] == newest[instance]


def save_when_possible(form: OpenForm, text: str) -> Acceptance:
    """Save a form, again as long as the page says that the database is busy.

    SQLite has one writer at a time, and a slow disk can hold it for seconds.
    """
    saved: list[Acceptance] = []

    def is_saved() -> bool:
        try:
            saved.append(form.save(description=text))
        except SaveError as error:
            if error.status != 503:
                raise
        return bool(saved)

    wait_until(is_saved)
    return saved[0]


@pytest.fixture
def next_web(stack: Stack, next_release: Path) -> Iterator[Callable[[], None]]:
    """Puts the other release's web server in the place of this one's."""
    ours = stack.web
    port = stack.url.rpartition(":")[2]
    theirs = ManagedProcess(
        name="next-web",
        command=[
            *(sys.executable, str(next_release / "manage.py"), "run", "--port", port)
        ],
        log_path=stack.folder / "next-web.log",
        pid_path=stack.folder / "next-web.pid",
        env=stack.environment | {"PYTHONPATH": str(next_release)},
    )

    def take_over() -> None:
        assert migrate(stack, next_release).returncode == 0
        ours.stop()
        stack.web = theirs
        theirs.start()
        wait_until(stack.web_answers)

    yield take_over
    stack.kill(theirs)
    stack.web = ours


def test_fault_b4_old_page_new_server(
    stack: Stack, next_web: Callable[[], None]
) -> None:
    if stack.postgres is None:
        pytest.skip("Pages and their answers are the same on both, tried once.")
    person = stack.sign_in("oskar")
    instance = stack.take_instance()
    page = person.browser.get("/instances/").raise_for_status().text
    form = person.open(instance)
    assert poll(person, page) == drawn_by(page)
    next_web()
    # Unlike what has drawn the page: ``static/polling.js`` asks to reload it.
    assert poll(person, page) != drawn_by(page)
    page = person.browser.get("/instances/").raise_for_status().text
    assert poll(person, page) == drawn_by(page)
    # Nobody's text is lost, and an old worker delivers what the new server writes.
    stack.accepted.append(form.save(description="B4"))
    (edit,) = stack.ask("edits_of", instance=instance)
    stack.wait_for(edit, "applied")


def drawn_by(page: str) -> str:
    """Which release a page is of."""
    found = re.search(r'<html[^>]* data-release="(\w+)"', page)
    assert found
    return found[1]


def poll(person: Person, page: str) -> str:
    """Ask for news as the page does; which release answers."""
    answer = person.poll(page)
    assert answer.status_code in {200, 204}, answer.text
    release: str = answer.headers["Curfew-Release"]
    return release
