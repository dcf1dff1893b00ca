"""Database triggers that protect published handovers.

A published handover may be taken over once, and its notes may be marked as done;
nothing else about them may change.
"""

from collections.abc import Callable, Iterable

from dashboard.web.triggers import Triggers

TABLE, NOTES = "handover_handover", "handover_note"
REFUSAL = "a published handover is never changed"

_INITIAL = (
    *("id", "number", "author_id", "since", "ahead_hours", "summary", "version"),
    *("created_at", "published_at", "published_by_id", "document", "digest"),
    *("revision", "changed_at", "changed_by_id", "client_id", "client_seq"),
)
_TAKEN_OVER = ("taken_over_at", "taken_over_by_id")
_NOTES = (
    *("id", "handover_id", "text", "owner", "next_action", "is_removed"),
    *("instance_name", "cloud_name", "instance_id"),
    *("revision", "changed_at", "changed_by_id", "client_id", "client_seq"),
)

type Conditions = dict[tuple[str, str], str]


def _conditions(protected: Iterable[str]) -> Callable[[str], Conditions]:
    """Return what ``Triggers`` needs, for these columns of a published handover."""

    def conditions(vendor: str) -> Conditions:
        old, new = (
            f"EXISTS (SELECT 1 FROM {TABLE} "  # noqa: S608  (names of our own)
            f"WHERE id = {row}.handover_id AND published_at IS NOT NULL)"
            for row in ("OLD", "NEW")
        )
        taken_over = _differ(_TAKEN_OVER, vendor)
        return {
            (TABLE, "UPDATE"): (
                "OLD.published_at IS NOT NULL AND ("
                f"{_differ(protected, vendor)} OR "
                f"(OLD.taken_over_at IS NOT NULL AND ({taken_over})))"
            ),
            (TABLE, "DELETE"): "OLD.published_at IS NOT NULL",
            (NOTES, "INSERT"): new,
            (NOTES, "UPDATE"): f"{old} OR {new}",
            (NOTES, "DELETE"): old,
        }

    return conditions


def _with_notes(conditions: Callable[[str], Conditions]) -> Callable[[str], Conditions]:
    """Allow that a published note is marked as done."""

    def all_but_done(vendor: str) -> Conditions:
        protected = conditions(vendor)
        key = (NOTES, "UPDATE")
        return protected | {
            key: f"({protected[key]}) AND ({_differ(_NOTES, vendor)})",
        }

    return all_but_done


def _differ(names: Iterable[str], vendor: str) -> str:
    operator = "IS DISTINCT FROM" if vendor == "postgresql" else "IS NOT"
    return " OR ".join(f"OLD.{name} {operator} NEW.{name}" for name in names)


INITIAL = Triggers(REFUSAL, _conditions(_INITIAL))
"""For the tables as the first migration creates them."""

TRIGGERS = Triggers(
    REFUSAL, _with_notes(_conditions((*_INITIAL, "zone", "scope", "query")))
)
