from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase


def head_as_get[Response: HttpResponseBase](
    view: Callable[..., Response],
) -> Callable[..., Response]:
    """Answer HEAD as GET, for views that only know GET; the server drops the body."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        if request.method == "HEAD":
            request.method = "GET"
        return view(request, *args, **kwargs)

    return answered
