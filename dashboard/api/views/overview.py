from typing import Any

from django.utils import timezone
from ninja import Router

from dashboard.accounts.permissions import can_bulk, has_permission
from dashboard.api import schemas, serializers
from dashboard.api.auth import ANY, READ
from dashboard.api.http import TokenRequest
from dashboard.api.queries import Query
from dashboard.audit.models import READ_PERMISSION
from dashboard.handover.filters import DueQuery
from dashboard.handover.selectors import board
from dashboard.instances.filters import InstanceFilter
from dashboard.instances.models import FleetVersion
from dashboard.instances.selectors import freshness
from dashboard.version import VERSION

router = Router()


DUE = Query(InstanceFilter)


@router.get("/due", auth=READ, response=schemas.Due, tags=["instances"])
@DUE
def list_due(request: TokenRequest) -> Any:
    """List late stops, and the running instances in lanes: the first twelve of each."""
    DUE.read(request)
    now = timezone.now()
    due_board = board(
        DueQuery(request.GET),
        user=request.user,
        version=FleetVersion.current(),
        now=now,
    )
    return {
        "as_of": freshness(now).as_of,
        "late": {
            "total": due_board.late.total,
            "items": [
                {
                    "since": stop.since,
                    "cause": stop.cause,
                    "instance": serializers.instance(stop.row),
                }
                for stop in due_board.late.stops
            ],
        },
        "lanes": [
            {
                "lane": str(column.lane),
                "label": str(column.heading.label),
                "total": column.total,
                "items": [serializers.instance(row) for row in column.rows],
            }
            for column in due_board.columns
        ],
    }


@router.get("/clouds", auth=READ, response=schemas.Clouds, tags=["clouds"])
def list_clouds(request: TokenRequest) -> Any:
    """List the clouds, the age of our copy of each, and their problems."""
    return {"items": freshness(timezone.now()).clouds}


@router.get("/me", auth=ANY, response=schemas.Me, tags=["me"])
def get_me(request: TokenRequest) -> Any:
    """Return the owner of this token and their rights."""
    user = request.user
    return {
        "username": user.username,
        "role": user.role,
        "cloud_users": sorted(user.cloud_identifiers),
        "may_bulk": can_bulk(user),
        "may_read_audit": has_permission(user, READ_PERMISSION),
        "token": request.api_token,
        "version": VERSION,
    }
