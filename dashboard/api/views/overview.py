"""Endpoints: what stops soon, the clouds, and oneself."""

from typing import Any

from django.utils import timezone
from ninja import Router

from dashboard.accounts.permissions import can_bulk, holds
from dashboard.api import schemas, serializers
from dashboard.api.auth import ANY, READ
from dashboard.api.http import TokenRequest
from dashboard.api.queries import Query, ZoneForm
from dashboard.audit.models import READ_PERMISSION
from dashboard.handover.filters import DueForm, DueQuery
from dashboard.handover.selectors import board
from dashboard.instances.selectors import freshness

router = Router()


DUE = Query(DueForm, ZoneForm)


@router.get(
    "/due",
    auth=READ,
    response=schemas.Due,
    url_name="due",
    operation_id="list_due",
    tags=["instances"],
    openapi_extra=DUE.openapi,
)
@DUE
def list_due(request: TokenRequest) -> Any:
    """What stops soon, in the buckets of the page, the soonest twenty of each.

    `time_zone`, as in `Europe/Berlin`, says whose midnight ends "today"; else UTC's.
    """
    asked = DUE.read(request)
    now = timezone.now()
    with timezone.override(asked["time_zone"]):
        found = board(DueQuery(request.GET), user=request.user, now=now)
    return {
        "as_of": freshness(now).as_of,
        "buckets": [
            {
                "bucket": str(column.bucket),
                "label": str(column.heading.label),
                "total": column.total,
                "items": [serializers.instance(row) for row in column.rows],
            }
            for column in found.columns
        ],
    }


@router.get(
    "/clouds",
    auth=READ,
    response=schemas.Clouds,
    url_name="clouds",
    operation_id="list_clouds",
    tags=["clouds"],
)
def list_clouds(request: TokenRequest) -> Any:
    """The clouds, how old our copy of each is, and what troubles them."""
    now = timezone.now()
    return {"items": [serializers.cloud(one, now) for one in freshness(now).clouds]}


@router.get(
    "/me",
    auth=ANY,
    response=schemas.Me,
    url_name="me",
    operation_id="get_me",
    tags=["me"],
)
def get_me(request: TokenRequest) -> Any:
    """Whose token this is, and what they may do."""
    user, token = request.user, request.api_token
    return {
        "username": user.username,
        "role": user.role,
        "cloud_users": sorted(user.cloud_identifiers),
        "may_bulk": can_bulk(user),
        "may_read_audit": holds(user, READ_PERMISSION),
        "token": {
            "name": token.name,
            "scopes": token.scopes,
            "expires_at": token.expires_at,
        },
    }
