"""What the Celery app is set to, where a setting alone decides how soon edits go on."""

import os

import pytest
from celery.fixups.django import DjangoWorkerFixup

from dashboard.celery import app


def test_a_worker_that_was_away_finds_a_sweep_waiting() -> None:
    sweep = app.conf.beat_schedule["sweep due edits"]
    # Its messages of some seconds are good, not only the one that comes next.
    assert 3 <= sweep["options"]["expires"] / sweep["schedule"] <= 10


def test_a_worker_starts_without_checks_whose_findings_nobody_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def waste_of_time() -> None:
        raise AssertionError("checks were run")

    monkeypatch.setattr("django.core.checks.run_checks", waste_of_time)
    fixup = DjangoWorkerFixup(app)
    fixup.validate_models()
    monkeypatch.delenv("CELERY_SKIP_CHECKS")
    with pytest.raises(AssertionError, match="checks were run"):
        fixup.validate_models()


def test_sigterm_lets_a_worker_end_what_it_does() -> None:
    # Celery would sleep it out in full (docs/decisions/0012-stopping-workers.md).
    assert app.conf.worker_soft_shutdown_timeout == 0
    assert "REMAP_SIGTERM" not in os.environ
