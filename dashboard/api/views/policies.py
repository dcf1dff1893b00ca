from typing import Any

from django.utils import timezone
from ninja import Router

from dashboard.api import policy_schemas, schedule_schemas, serializers
from dashboard.api.auth import READ
from dashboard.api.http import TokenRequest
from dashboard.instances.models import Instance
from dashboard.policies.models import Rule
from dashboard.schedules.overrides import in_effect

router = Router(tags=["policies"])


@router.get("/policies", auth=READ, response=policy_schemas.Policies)
def list_policies(request: TokenRequest) -> Any:
    """List all policies in their order.

    Of each kind, the first enforced one whose scope includes an instance counts.
    """
    rules = Rule.objects.select_related("team").order_by("position", "pk")
    return {"items": [serializers.policy(rule) for rule in rules]}


@router.get("/overrides", auth=READ, response=schedule_schemas.Overrides)
def list_overrides(request: TokenRequest) -> Any:
    """List the overrides in effect, the next end first; at most 500."""
    visible = Instance.objects.visible_to(request.user)
    overrides = in_effect(timezone.now()).filter(instance__in=visible)
    return {"items": overrides[:500]}
