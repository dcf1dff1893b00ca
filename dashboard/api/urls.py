"""The API: its URLs, its errors and its OpenAPI document.

Source: ``docs/contract.md``, "URLs".
"""

import json
from collections.abc import Callable
from functools import cache, partial, wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.operation import Operation

from dashboard.edits import batches, services
from dashboard.schedules.services import ScheduleError
from dashboard.web.head import head_as_get

from . import parser, problems, queries
from .views import (
    audit,
    bulk,
    costs,
    edits,
    holidays,
    instances,
    overview,
    policies,
    questions,
    schedules,
)

DESCRIPTION = """\
Everything that Curfew's pages can show and change, for programs, with the same
permissions and policies. Every request needs an API token, which people create on their
account page. Times are in UTC. See docs/api.md.
"""
TOKEN = "token"  # noqa: S105 (the name of a scheme)


class _Api(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__


api = _Api(
    title="Curfew",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api",
    openapi_url=None,
    docs_url=None,
    parser=parser.StrictParser(),
)
api.add_decorator(queries.reject_unread, mode="operation")
api.add_router("/instances", instances.router)
api.add_router("/edits", edits.router)
api.add_router("/schedules", schedules.router)
api.add_router("/holidays", holidays.router)
api.add_router("/questions", questions.router)
api.add_router("", policies.router)
api.add_router("", costs.router)
api.add_router("", bulk.router)
api.add_router("", overview.router)
api.add_router("", audit.router)


@api.exception_handler(problems.ProblemError)
def _problem(request: HttpRequest, error: problems.ProblemError) -> HttpResponse:
    return error.answer()


_FAULTS = {
    "missing": "Send “{name}”.",
    "extra_forbidden": "There is no field “{name}”.",
    "model_attributes_type": "Send a JSON object.",
}
"""Sentences that stand alone, by Pydantic's types of errors."""


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors: dict[str, list[str]] = {}
    for fault in error.errors:
        # The location comes first; in a body, the name of our parameter follows.
        place = [str(part) for part in fault["loc"][1:]]
        name = ".".join(place[1:] if fault["loc"][0] == "body" else place)
        # Pydantic's own sentence may quote what was sent, braces included.
        ours = _FAULTS.get(fault["type"])
        sentence = ours.format(name=name) if ours else f"{fault['msg']}."
        errors.setdefault(name, []).append(sentence)
    return problems.invalid(errors).answer()


@api.exception_handler(HttpError)
def _unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    return problems.plain(error.status_code)


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problems.answer("not-found")


def _refused(request: HttpRequest, error: Exception, *, kind: str) -> HttpResponse:
    return problems.answer(kind, str(error))


for _error, _kind in (
    (PermissionDenied, "forbidden"),
    (services.RuleRefusedError, "rule-refused"),
    (services.EditClosedError, "not-now"),
    (batches.BatchError, "not-now"),
    (ScheduleError, "not-now"),
):
    api.add_exception_handler(_error, partial(_refused, kind=_kind))


@login_not_required
@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """Return the OpenAPI document, which is public: every site has the same one."""
    return HttpResponse(document(), content_type="application/json")


@cache
def document() -> bytes:
    contents = dict(api.get_openapi_schema(path_prefix="/api/v1/"))
    if prefix := settings.CURFEW.path_prefix:
        contents["servers"] = [{"url": prefix}]
    components = contents["components"]
    problem = problems.Problem.model_json_schema(
        ref_template="#/components/schemas/{model}"
    )
    components["schemas"] |= problem.pop("$defs") | {"Problem": problem}
    components["securitySchemes"] = {TOKEN: {"type": "http", "scheme": "bearer"}}
    responses = _problem_responses()
    for methods in contents["paths"].values():
        for operation in methods.values():
            operation["security"] = [{TOKEN: []}]
            for parameter in operation["parameters"]:
                # A generated client would send every default.
                parameter["schema"].pop("default", None)
            if body := operation.get("requestBody"):
                _unwrap(body["content"]["application/json"])
            operation["responses"] |= responses
    return json.dumps(contents, default=str).encode()


def _unwrap(content: dict[str, Any]) -> None:
    """Name the schema of a body that may be left out as those of other bodies are."""
    if alternatives := content["schema"].get("allOf"):
        [content["schema"]] = alternatives


def _problem_responses() -> dict[str, Any]:
    content = {"schema": {"$ref": "#/components/schemas/Problem"}}
    statuses = sorted({kind.status for kind in problems.KINDS.values()} - {405, 500})
    return {
        str(status): {
            "description": ", ".join(
                f"{kind.title} ({name})"
                for name, kind in problems.KINDS.items()
                if kind.status == status
            ),
            "content": {problems.CONTENT_TYPE: content},
        }
        for status in statuses
    }


def _allowing_head(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Add HEAD to the ``Allow`` header of 405 responses."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        allowed = response.headers.get("Allow", "")
        if "GET" in allowed:
            response.headers["Allow"] = f"{allowed}, HEAD"
        return response

    return wrapper


_patterns, _app_name, _namespace = api.urls
# ninja adds a URL for the root, which serves nothing here.
_endpoints = [url for url in _patterns if getattr(url, "name", "") != "api-root"]
for _endpoint in _endpoints:
    _view: Any = _endpoint.callback
    _endpoint.callback = head_as_get(_allowing_head(_view))
urlpatterns = [
    path("openapi.json", openapi, name="api_document"),
    path("", (_endpoints, _app_name, _namespace)),
]
