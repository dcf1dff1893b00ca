from django.http import HttpRequest

PREFIX = "/api/"
"""Middlewares meant for browsers ignore requests below this prefix."""


def is_api_request(request: HttpRequest) -> bool:
    return request.path_info.startswith(PREFIX)
