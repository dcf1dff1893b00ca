"""Records refused requests in the audit trail."""

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from dashboard import logs
from dashboard.web import limits
from dashboard.web.middleware import GetResponse

from .messages import ANONYMOUS, REFUSED
from .services import Outcome, record_event

log = structlog.get_logger(__name__)

MOST = limits.Limit(person=60, address=120)
"""Refusals recorded in a minute. Further ones only go to the log, so that they cannot
fill the database."""


class RefusalsMiddleware:
    """Record each response with status 403."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code == 403 and limits.allows("refusals", request, MOST):
            try:
                _record(request)
            except DatabaseError as error:
                # The request stays refused even if this cannot be recorded.
                log.error("refusal not recorded", reason=str(error)[:200])
        return response


def _record(request: HttpRequest) -> None:
    signed_in = request.user.is_authenticated
    match = request.resolver_match
    kwargs = match.kwargs if match else {}
    instance = "{cloud}/{instance_id}".format(**kwargs) if "cloud" in kwargs else ""
    record_event(
        actor=request.user if signed_in else None,  # type: ignore[arg-type]
        actor_label=ANONYMOUS(),
        action="request.refused",
        outcome=Outcome.REFUSED,
        target_kind="address",
        target_id=(match.view_name if match else "") or "",
        target_label=logs.scrubbed(f"{request.method} {request.path}"),
        instance=instance,
        reason=REFUSED(),
    )
