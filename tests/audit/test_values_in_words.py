"""Codes in the audit trail have their words, though their models stand above it."""

import pytest
from django.utils.translation import override

from dashboard.accounts.models import User
from dashboard.audit import values_in_words
from dashboard.edits.models import Edit
from dashboard.instances import clock
from dashboard.instances.models import InstanceEvent
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.policies.models import Rule, RuleException

CODES = [
    *(("state", code) for code in (*Edit.State.values, *RuleException.State.values)),
    *(("kind", code) for code in (*Edit.Kind.values, *Rule.Kind.values)),
    *(("role", code) for code in User.Role.values),
    *(("mode", code) for code in Rule.Mode.values),
    *(("cause", code) for code in InstanceEvent.Reason.values),
]


@pytest.mark.parametrize(("name", "code"), CODES)
def test_each_code_has_its_words(name: str, code: str) -> None:
    assert code in values_in_words._CODES[name]
    with override("de"):
        assert values_in_words.text(name, code) != code


@pytest.mark.parametrize("status", InstanceStatus)
def test_a_status_is_called_as_on_the_pages(status: InstanceStatus) -> None:
    with override("en"):
        assert values_in_words.text("status", status) == clock._LOOKS[status].label
