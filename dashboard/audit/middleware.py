"""Records refused requests in the audit trail."""

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from dashboard import logs
from dashboard.web import limits

from .messages import ANONYMOUS, REFUSED
from .services import Outcome, record_event

log = structlog.get_logger(__name__)

PER_MINUTE = 60
"""For each person. Further refusals only go to the log, so that they cannot fill the
database."""


class RefusalsMiddleware(MiddlewareMixin):
    """Record each response with status 403."""

    def process_response(
        self, request: HttpRequest, response: HttpResponse
    ) -> HttpResponse:
        is_refusal = response.status_code == 403
        if is_refusal and limits.allows("refusals", request, PER_MINUTE, people=2):
            try:
                _record(request)
            except DatabaseError as error:
                # The request stays refused even if this cannot be recorded.
                log.error("refusal not recorded", reason=str(error)[:200])
        return response


def _record(request: HttpRequest) -> None:
    match = request.resolver_match
    kwargs = match.kwargs if match else {}
    instance = (
        "{cloud}/{instance_id}".format(**kwargs) if "instance_id" in kwargs else ""
    )
    record_event(
        actor=request.user if request.user.is_authenticated else None,
        actor_label=ANONYMOUS(),
        action="request.refused",
        outcome=Outcome.REFUSED,
        target_kind="address",
        target_id=(match.view_name if match else "") or "",
        target_label=logs.scrubbed(f"{request.method} {request.path}"),
        instance=instance,
        reason=REFUSED(),
    )
