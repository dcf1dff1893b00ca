"""Updates the number of unread notifications through the answers to polls."""

from django.http import HttpRequest, HttpResponse
from django_htmx.http import trigger_client_event

from dashboard.livepoll import token
from dashboard.web.middleware import GetResponse

from . import selectors

EVENT = "curfew:unread"


class UnreadBadgeMiddleware:
    """Adds the number of unread reminders to the answer to a poll, with one query.

    ``livepoll.shortcut`` answers some polls before this. Since a poll token expires
    within ``token.LIFE_SECONDS``, the number is never older than that.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Add the event of ``static/polling.js`` to ``HX-Trigger``."""
        response = self.get_response(request)
        is_answer = token.HEADER in request.headers and response.status_code in {
            200,
            204,
        }
        if is_answer and request.user.is_authenticated:
            unread = selectors.unread(request.user)
            trigger_client_event(response, EVENT, {"unread": unread})
        return response
