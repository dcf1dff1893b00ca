"""Keeps the bell of an open page up to date, with the answers to its polls."""

from django.http import HttpRequest, HttpResponse
from django_htmx.http import trigger_client_event

from dashboard.livepoll import token
from dashboard.web.middleware import GetResponse

from . import selectors

EVENT = "curfew:bell"


class UnreadBadgeMiddleware:
    """Adds the number of unread reminders to the answer to a poll, with one query.

    A poll that ``livepoll.shortcut`` answers does not come here. Since a poll token
    expires within ``token.LIFE_SECONDS``, the bell of a quiet page is at most so old.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Add the event of ``static/polling.js`` to ``HX-Trigger``."""
        response = self.get_response(request)
        is_answer = response.status_code in {200, 204}
        if (
            is_answer
            and token.HEADER in request.headers
            and request.user.is_authenticated
        ):
            trigger_client_event(
                response, EVENT, {"unread": selectors.unread(request.user)}
            )
        return response
