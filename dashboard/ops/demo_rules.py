"""Policies and exceptions of the demo, to fill their pages.

They only warn or refuse; none acts, and no one is kept from trying the form.
"""

from datetime import time, timedelta

from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.instances.models import Instance
from dashboard.modelarts.statuses import InstanceStatus
from dashboard.policies import services
from dashboard.policies.models import Rule


def _rules() -> list[Rule]:
    return [
        Rule(
            name="GPUs switch themselves off",
            reason="One forgotten GPU costs as much in a month as a workstation.",
            kind=Rule.Kind.AUTO_STOP,
            flavor_type="GPU",
            mode=Rule.Mode.ENFORCE,
        ),
        Rule(
            name="Runs end after 10 hours",
            reason="A run longer than a working day was mostly forgotten.",
            kind=Rule.Kind.MAX_HOURS,
            max_seconds=10 * 3_600,
        ),
        Rule(
            name="Quiet nights",
            reason="Nobody works here at night; what runs then was forgotten.",
            kind=Rule.Kind.QUIET_HOURS,
            quiet_from=time(22),
            quiet_until=time(6),
            time_zone="Europe/Berlin",
        ),
    ]


def write() -> str:
    admin = User.objects.get(role=User.Role.ADMIN)
    first, *_ = rules = [
        services.save_rule(rule=rule, actor=admin) for rule in _rules()
    ]
    breaking = Instance.objects.filter(
        auto_stop_enable=False, flavor_type="GPU", missing_since=None
    ).order_by("-status", "pk")
    until = timezone.now().replace(hour=22, minute=0, second=0) + timedelta(days=4)
    for person in User.objects.filter(role=User.Role.SCIENTIST).order_by("username"):
        mine = breaking.filter(owner_name__in=person.cloud_identifiers).first()
        if mine:
            services.ask_exception(
                rule=first,
                instance=mine,
                actor=person,
                until=until,
                reason="The nightly evaluation writes its checkpoints only at 6.",
            )
            break
    others = breaking.filter(rule_exceptions=None, status=InstanceStatus.RUNNING)
    if other := others.last():
        services.ask_exception(
            rule=first,
            instance=other,
            actor=admin,
            until=until + timedelta(days=10),
            reason="Serves the trade fair demo until it closes.",
        )
    return f"{len(rules)} rules"
