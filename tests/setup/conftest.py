import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Task
from django.conf import settings
from django.core.cache import cache
from openstack.config import loader

from dashboard.instances import upstream
from dashboard.setup import tasks


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data directory; no clouds.yaml exists anywhere."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(settings.CURFEW, "data_dir", folder)
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    # As ``serve`` does; the client of the clouds reads no settings of Django's.
    monkeypatch.setenv("CURFEW_DATA_DIR", str(folder))
    for files in ("CONFIG_FILES", "SECURE_FILES", "VENDOR_FILES"):
        monkeypatch.setattr(loader, files, [])
    upstream.forget_clients()
    cache.clear()
    yield folder
    upstream.forget_clients()


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Task, tuple[Any, ...]]]:
    """The messages to the workers, instead of sending them."""
    messages: list[tuple[Task, tuple[Any, ...]]] = []
    for task in (tasks.check_cloud, tasks.try_new_cloud):

        def keep(args: tuple[Any, ...], expires: int, task: Task = task) -> None:
            messages.append((task, args))

        monkeypatch.setattr(task, "apply_async", keep)
    return messages


def work_off(queue: list[tuple[Task, tuple[Any, ...]]]) -> None:
    """Do what a worker would do."""
    while queue:
        task, args = queue.pop(0)
        task.apply(args=args, throw=True)
