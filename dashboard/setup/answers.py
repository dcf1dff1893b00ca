"""What the workers have found out about clouds, kept in the cache for some minutes."""

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta

from django.core.cache import cache
from django.utils.functional import Promise

from dashboard.instances.capabilities import capabilities_of
from dashboard.modelarts.generations import Generation
from dashboard.web.stored_messages import Message

KEPT = timedelta(minutes=15)


@dataclass(frozen=True)
class Answer:
    """The outcome of reading a cloud once.

    Attributes:
        counts: Number of instances by generation; None where it is not served.
        is_partial: Whether only the account's own notebooks are listed.
        problem: Why it cannot be read; empty if it can.
    """

    counts: dict[str, int | None] = field(default_factory=dict)
    is_partial: bool = False
    problem: Message = field(default_factory=Message)

    @property
    def total(self) -> int:
        return sum(count or 0 for count in self.counts.values())

    @property
    def generations(self) -> list[tuple[Promise, int | None]]:
        """The names of the generations, with their numbers."""
        return [
            (capabilities_of(Generation(key)).label, count)
            for key, count in self.counts.items()
        ]


def store(check_id: str, name: str, answer: Answer) -> None:
    value = {
        "counts": answer.counts,
        "is_partial": answer.is_partial,
        "problem": answer.problem.to_json(),
    }
    cache.set(_key(check_id, name), value, timeout=KEPT.total_seconds())


def find(check_id: str, names: list[str]) -> dict[str, Answer]:
    """Return the answers that there are, by cloud."""
    found = cache.get_many([_key(check_id, name) for name in names])
    return {
        name: Answer(
            counts=value["counts"],
            is_partial=value["is_partial"],
            problem=Message.from_json(value["problem"]),
        )
        for name in names
        if (value := found.get(_key(check_id, name)))
    }


def _key(check_id: str, name: str) -> str:
    # A name may contain what a key cannot.
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"setup:{check_id}:{digest}"
