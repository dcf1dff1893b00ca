"""Keeps the bell of an open page true, by the poll that the page sends anyway."""

import json

from django.http import HttpRequest, HttpResponse

from dashboard.livepoll import token
from dashboard.web.middleware import GetResponse

from . import selectors

EVENT = "curfew:bell"


class UnreadBadgeMiddleware:
    """Say beside the answer to a poll how many reminders are new: one query.

    Only where a poll is looked up anyway. One with a valid grant and no news is
    answered before Django hears of it, and says nothing of the bell; since grants last
    a minute (``grants.LIFE_SECONDS``), the bell of a quiet page is at most so old.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Add to ``HX-Trigger``, which the script of the page hears."""
        response = self.get_response(request)
        is_answer = response.status_code in {200, 204}
        if (
            is_answer
            and token.HEADER in request.headers
            and request.user.is_authenticated
        ):
            told = json.loads(response.headers.get("HX-Trigger", "{}"))
            told[EVENT] = {"unread": selectors.unread(request.user)}
            response.headers["HX-Trigger"] = json.dumps(told)
        return response
