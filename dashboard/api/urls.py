"""The API: its URLs, its errors and its OpenAPI document.

Source: ``docs/contract.md``, "URLs".
"""

import json
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from dashboard.edits import batches, services
from dashboard.web.head import head_as_get

from . import parser, problems, queries, schemas
from .views import audit, bulk, edits, instances, overview

DESCRIPTION = """\
The reads and writes of Curfew's pages for programs, by the same rules. Every request
needs a token that its person has made on the page of their account. Moments are UTC.
See docs/api.md.
"""
TOKEN = "token"  # noqa: S105 (the name of a scheme)

api = NinjaAPI(
    title="Curfew",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api",
    openapi_url=None,
    docs_url=None,
    parser=parser.StrictParser(),
)
api.add_decorator(queries.refuse_unread, mode="operation")
api.add_router("/instances", instances.router)
api.add_router("/edits", edits.router)
api.add_router("", bulk.router)
api.add_router("", overview.router)
api.add_router("", audit.router)


def _problem(request: HttpRequest, error: problems.ProblemError) -> HttpResponse:
    return error.answer()


def _not_valid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    told: dict[str, list[str]] = {}
    for fault in error.errors:
        # The first part is the location; for a body, names of ours follow.
        place = [str(part) for part in fault["loc"][1:]]
        name = ".".join(place[1:] if fault["loc"][0] == "body" else place)
        told.setdefault(name, []).append(f"{fault['msg']}.")
    return problems.invalid(told).answer()


def _not_read(request: HttpRequest, error: HttpError) -> HttpResponse:
    return problems.plain(error.status_code)


def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problems.answer("not-found")


def _denied(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return problems.answer("forbidden", str(error))


def _refused(request: HttpRequest, error: services.RuleRefusedError) -> HttpResponse:
    return problems.answer("rule-refused", str(error))


def _not_now(request: HttpRequest, error: Exception) -> HttpResponse:
    return problems.answer("not-now", str(error))


for _error, _handler in (
    (problems.ProblemError, _problem),
    (ValidationError, _not_valid),
    (HttpError, _not_read),
    (Http404, _not_found),
    (PermissionDenied, _denied),
    (services.RuleRefusedError, _refused),
    (services.EditClosedError, _not_now),
    (batches.BatchError, _not_now),
):
    api.add_exception_handler(_error, _handler)  # type: ignore[arg-type]


@login_not_required
@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """Return the OpenAPI document; public, since it says nothing about this site."""
    return HttpResponse(document(), content_type="application/json")


@cache
def document() -> bytes:
    described = dict(api.get_openapi_schema(path_prefix="/api/v1/"))
    parts = described["components"]
    problem = schemas.Problem.model_json_schema(
        ref_template="#/components/schemas/{model}"
    )
    parts["schemas"] |= problem.pop("$defs") | {"Problem": problem}
    parts["securitySchemes"] = {TOKEN: {"type": "http", "scheme": "bearer"}}
    for methods in described["paths"].values():
        for operation in methods.values():
            operation["security"] = [{TOKEN: []}]
            for parameter in operation["parameters"]:
                # A client would send a default as if its user had asked for it.
                parameter["schema"].pop("default", None)
            operation["responses"] |= _problems_of(operation)
    return json.dumps(described, default=str).encode()


def _problems_of(operation: dict[str, Any]) -> dict[str, Any]:
    shape = {"schema": {"$ref": "#/components/schemas/Problem"}}
    statuses = sorted({kind.status for kind in problems.KINDS.values()} - {405, 500})
    return {
        str(status): {
            "description": ", ".join(
                f"{kind.title} ({name})"
                for name, kind in problems.KINDS.items()
                if kind.status == status
            ),
            "content": {problems.CONTENT_TYPE: shape},
        }
        for status in statuses
    }


def _naming_head(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Add HEAD to the ``Allow`` header of 405 responses."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        allowed = response.headers.get("Allow", "")
        if "GET" in allowed:
            response.headers["Allow"] = f"{allowed}, HEAD"
        return response

    return answered


_patterns, _app_name, _namespace = api.urls
# ninja adds a URL for the root, which serves nothing here.
_endpoints = [one for one in _patterns if getattr(one, "name", "") != "api-root"]
for _endpoint in _endpoints:
    _view: Any = _endpoint.callback
    _endpoint.callback = head_as_get(_naming_head(_view))
urlpatterns = [
    path("openapi.json", openapi, name="api_document"),
    path("", (_endpoints, _app_name, _namespace)),
]
