"""Database triggers that keep the audit trail append-only."""

from dashboard.web.triggers import Triggers

TABLE = "audit_auditevent"
REFUSAL = "the audit trail is append-only"

TRIGGERS = Triggers(
    REFUSAL, lambda vendor: {(TABLE, "UPDATE"): "TRUE", (TABLE, "DELETE"): "TRUE"}
)
