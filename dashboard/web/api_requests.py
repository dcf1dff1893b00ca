"""Requests of programs: they bring a token, never a cookie (``dashboard.api``)."""

from django.http import HttpRequest

PREFIX = "/api/"
"""Where their addresses begin. Whatever is meant for browsers leaves these alone."""


def is_api_request(request: HttpRequest) -> bool:
    """Whether this is asked of the API, not of a page."""
    return request.path_info.startswith(PREFIX)
