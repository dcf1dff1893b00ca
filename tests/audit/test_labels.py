"""Every action that the code records has a label, registered by its app."""

from typing import Any

import pytest
from django.utils.translation import gettext_lazy, override

from dashboard.accounts.models import User
from dashboard.api.models import ApiToken
from dashboard.audit import labels
from dashboard.audit.models import AuditEvent
from dashboard.edits.models import Edit
from dashboard.instances.models import InstanceEvent
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.policies.models import Question, Rule, RuleException
from tests.test_security_papers import actions

STATES = {
    "edit.<state>": Edit.State,
    "exception.<state>": RuleException.State,
    "question.<state>": Question.State,
}
CHOICES = [
    ("edit.applied", "state", Edit.State),
    ("edit.corrected", "outcome", Edit.Outcome),
    ("edit.submitted", "asked for", Edit.Kind),
    ("batch.submitted", "kind", Edit.Kind),
    ("exception.ended", "state", RuleException.State),
    ("question.kept", "state", Question.State),
    ("rule.changed", "kind", Rule.Kind),
    ("rule.changed", "mode", Rule.Mode),
    ("rule.changed", "status", InstanceStatus),
    ("instance.stopped", "status", InstanceStatus),
    ("instance.stopped", "cause", InstanceEvent.Reason),
    ("token.made", "scopes", ApiToken.Scope),
    ("user.role_changed", "role", User.Role),
    ("audit.exported", "outcome", AuditEvent.Outcome),
]


def recorded() -> set[str]:
    """Return all actions in the code, those with a state once for each state."""
    recorded_actions = actions()
    for pattern, states in STATES.items():
        recorded_actions.remove(pattern)
        recorded_actions |= {
            pattern.replace("<state>", state) for state in states.values
        }
    return recorded_actions


def test_each_action_has_a_label_and_each_label_an_action() -> None:
    assert recorded() == labels.actions()


@pytest.mark.parametrize("action", sorted(labels.actions()))
def test_a_label_is_translated(action: str) -> None:
    with override("en"):
        english = labels.action_label(action)
    with override("de"):
        assert labels.action_label(action) not in {action, english}


@pytest.mark.parametrize(("action", "name", "choices"), CHOICES)
def test_a_code_among_the_values_is_shown_with_its_label(
    action: str, name: str, choices: Any
) -> None:
    show = labels.field(action, name).show
    with override("de"):
        assert not {value for value in choices if show(value) == value}


def test_values_without_a_label_are_shown_as_stored() -> None:
    assert labels.action_label("gone.away") == "gone.away"
    assert labels.field("gone.away", "two_words").label == "two words"
    assert labels.field("edit.applied", "state").show("new_state") == "new_state"


def test_a_subject_is_registered_once() -> None:
    with pytest.raises(ValueError, match="of edit are registered twice"):
        labels.register("edit", actions={"applied": gettext_lazy("Change applied")})
