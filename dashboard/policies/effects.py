"""What a rule would do to the fleet, as it is stored or about to be saved."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dashboard.instances.models import Instance
from dashboard.instances.run_state import PRESENT
from dashboard.modelarts.statuses import NEVER_RUN
from dashboard.web.stored_messages import Message, sentences

from . import messages, services
from .history import History, history
from .models import Rule
from .rules import matches, run_fault, setting_fault
from .runs import current_run, is_long
from .selectors import exempt, last_position, shadowing

LISTED = 50


@dataclass
class Effect:
    """What a rule would do.

    Attributes:
        instances: How many instances it applies to.
        violating: Those that violate it, each with a sentence.
        excepted: How many more violate it and have an exception.
        shadowed_by: Rules that count in its place, each with the number of instances.
        shadows: Rules in whose place it counts, each with the number of instances.
        history: What it would have done in the last days.
    """

    history: History
    instances: int = 0
    excepted: int = 0
    violating: list[tuple[Instance, Message]] = field(default_factory=list)
    shadowed_by: Counter[Rule] = field(default_factory=Counter)
    shadows: Counter[Rule] = field(default_factory=Counter)

    @property
    def earlier(self) -> list[tuple[Rule, int]]:
        """``shadowed_by`` for templates, where a counter has no methods."""
        return self.shadowed_by.most_common()

    @property
    def later(self) -> list[tuple[Rule, int]]:
        """``shadows`` for templates."""
        return self.shadows.most_common()

    @property
    def unlisted(self) -> int:
        """How many of the violations its page does not list."""
        return max(0, len(self.violating) - LISTED)


def effect(rule: Rule, now: datetime) -> Effect:
    """Return what a rule, stored or not, would do at its place in the order."""
    if rule.pk is None:
        rule.position = last_position() + 1
    others, exceptions = shadowing(rule), exempt(now)
    result = Effect(history(rule, now))
    instances = Instance.objects.filter(PRESENT, rule.as_q()).exclude(
        status__in=NEVER_RUN
    )
    for instance in instances.prefetch_related("cloud").defer(
        "document", "problems", "search_text", "description"
    ):
        found = matches([*others, rule], instance)
        match = next((match for match in found if match.rule is rule), None)
        if match is None:
            continue
        if match.shadowed_by:
            result.shadowed_by[match.shadowed_by] += 1
            continue
        result.instances += 1
        result.shadows.update(
            later.rule for later in found if later.shadowed_by is rule
        )
        if sentence := _sentence(rule, instance, now):
            if (rule.pk, instance.pk) in exceptions:
                result.excepted += 1
            else:
                result.violating.append((instance, sentence))
    return result


def _sentence(rule: Rule, instance: Instance, now: datetime) -> Message:
    """Return how an instance violates a rule, or why its owner would be asked."""
    if rule.kind != Rule.Kind.STILL_NEEDED:
        faults = run_fault(rule, instance, now), setting_fault(rule, instance)
        return sentences(*faults)
    run = current_run(instance)
    if run is None or not is_long(rule, instance, now):
        return Message()
    minutes = (now - run.since) // timedelta(minutes=1)
    return messages.RUNNING_FOR(length=messages.LENGTH(seconds=minutes * 60))


def fingerprint(rule: Rule) -> str:
    """Return what identifies the effect of a rule: its values but name and reason."""
    values = services.values_of(rule)
    del values["name"], values["reason"]
    text = json.dumps([rule.pk, values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
