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
    """List what stops soon, in the buckets of the page, the first twenty of each.

    `time_zone`, as in `Europe/Berlin`, sets the midnight that ends "today"; the default
    is UTC.
    """
    params = DUE.read(request)
    now = timezone.now()
    with timezone.override(params["time_zone"]):
        due_board = board(DueQuery(request.GET), user=request.user, now=now)
    return {
        "as_of": freshness(now).as_of,
        "buckets": [
            {
                "bucket": str(column.bucket),
                "label": str(column.heading.label),
                "total": column.total,
                "items": [serializers.instance(row) for row in column.rows],
            }
            for column in due_board.columns
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
    """List the clouds, the age of our copy of each, and their problems."""
    now = timezone.now()
    return {"items": [serializers.cloud(cloud, now) for cloud in freshness(now).clouds]}


@router.get(
    "/me",
    auth=ANY,
    response=schemas.Me,
    url_name="me",
    operation_id="get_me",
    tags=["me"],
)
def get_me(request: TokenRequest) -> Any:
    """Return the owner of this token and their rights."""
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
