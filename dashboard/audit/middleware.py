"""Refusals leave a line, too."""

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
"""Refusals recorded in a minute. Beyond, they are only in the log: whoever is refused
all the time must not fill the database."""


class RefusalsMiddleware:
    """Record each 403: who wanted what."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, and record a refusal."""
        response = self.get_response(request)
        if response.status_code == 403 and limits.allows("refusals", request, MOST):
            try:
                _record(request)
            except DatabaseError as error:
                # Refused it is, whether or not it can be written down.
                log.error("refusal not recorded", reason=str(error)[:200])
        return response


def _record(request: HttpRequest) -> None:
    signed_in = request.user.is_authenticated
    match = request.resolver_match
    named = match.kwargs if match else {}
    about = f"{named['cloud']}/{named['instance_id']}" if "cloud" in named else ""
    record_event(
        actor=request.user if signed_in else None,  # type: ignore[arg-type]
        by=ANONYMOUS(),
        action="request.refused",
        outcome=Outcome.REFUSED,
        target_kind="address",
        target_id=(match.view_name if match else "") or "",
        target_label=logs.scrubbed(f"{request.method} {request.path}"),
        instance=about,
        reason=REFUSED(),
    )
