"""What workers have found when they ran the checks, in the cache."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
import structlog
from django.core.cache import cache

from dashboard.web.stored_messages import Message

from . import checks, messages

log = structlog.get_logger(__name__)

_KEY = "system:findings"
_LOCK = "system:checking"
LOCK_SECONDS = 120
"""As long as a run may take."""

OVERDUE_SECONDS = 180
"""A result that should have been replaced so long ago is out of date."""


@dataclass(frozen=True)
class StoredFinding:
    """A finding, when it was made, and from when on it is out of date."""

    finding: checks.Finding
    checked_at: datetime
    valid_until: datetime

    @property
    def is_outdated(self) -> bool:
        return self.valid_until.timestamp() < time.time()


def read() -> dict[str, StoredFinding]:
    """Return the last findings of workers by name; empty if the cache is away."""
    try:
        stored = cache.get(_KEY) or {}
    except redis.RedisError:
        return {}
    return {name: _parsed(name, content) for name, content in stored.items()}


def run_due_checks(*, everything: bool = False) -> None:
    """Run the checks whose results are too old, and store what they find.

    Args:
        everything: Run the others, too.
    """
    if not cache.add(_LOCK, 1, timeout=LOCK_SECONDS):
        return  # another worker runs them
    try:
        due = [check for check in checks.all_checks() if not check.on_page]
        stored = cache.get(_KEY) or {}
        kept = {check.name: stored[check.name] for check in due if check.name in stored}
        for check in due:
            if everything or _is_due(check, kept.get(check.name)):
                kept[check.name] = to_json(_run(check), check)
                # Shown as soon as it is known: the last ones may take a minute.
                cache.set(_KEY, kept, timeout=None)
        cache.set(_KEY, kept, timeout=None)
    finally:
        cache.delete(_LOCK)


def is_running() -> bool:
    try:
        return cache.get(_LOCK) is not None
    except redis.RedisError:
        return False


def _is_due(check: checks.Check, stored: Mapping[str, Any] | None) -> bool:
    if stored is None:
        return True
    age = time.time() - stored["at"]
    return not 0 <= age < check.every_seconds


def _run(check: checks.Check) -> checks.Finding:
    """Run a check; an error in it must not keep the others from being run."""
    try:
        return checks.run(check)
    except Exception:
        log.exception("check failed", check=check.name)
        return checks.Finding(check.name, healthy=False, message=messages.CRASHED())


def to_json(finding: checks.Finding, check: checks.Check) -> dict[str, Any]:
    return {
        "healthy": finding.healthy,
        "message": finding.message.to_json(),
        "at": time.time(),
        "every": check.every_seconds,
    }


def _parsed(name: str, content: Mapping[str, Any]) -> StoredFinding:
    message = Message.from_json(content["message"])
    valid_until = content["at"] + content["every"] + OVERDUE_SECONDS
    return StoredFinding(
        checks.Finding(name, healthy=content["healthy"], message=message),
        datetime.fromtimestamp(content["at"], UTC),
        datetime.fromtimestamp(valid_until, UTC),
    )
