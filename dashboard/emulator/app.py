"""Routes of the emulated cloud.

Source: ``docs/modelarts-api.md``, A.1, B.1, E.1 (calls), C.1 (tokens), D.1 (errors). A
successful ModelArts call answers 200; the manual names no status (A.1).
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import validation
from .behavior import Behavior
from .creation import parse_create
from .errors import RefusalError, gateway_refusal, service_refusal
from .fleet import Fleet
from .iam import Iam
from .message import Answer, Request
from .notebooks.api import NOTEBOOK_ROUTES, NotebookApi, is_served, not_served
from .notebooks.fleet import NotebookFleet
from .people import PROJECTS
from .ratings import rate

BODY_LIMIT_BYTES = 12 * 1024 * 1024


@dataclass(frozen=True)
class Route:
    """The target of a request; ``name`` is that of ROUTES, or ``unknown``."""

    name: str
    instance_id: str | None = None
    project_id: str | None = None


_INSTANCES = r"/v1/(?P<project>[^/]+)/demanager/instances"
_INSTANCE = rf"{_INSTANCES}/(?P<instance>[^/]+)"

#: (method, path, name); faults and the log use the names.
ROUTES: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (method, re.compile(pattern), name)
    for method, pattern, name in (
        ("GET", r"/", "versions"),
        ("GET", r"/v3/?", "version"),
        ("POST", r"/v3/auth/tokens", "token.issue"),
        ("GET", r"/v3/auth/tokens", "token.show"),
        ("HEAD", r"/v3/auth/tokens", "token.show"),
        ("DELETE", r"/v3/auth/tokens", "token.revoke"),
        ("GET", r"/v3/projects", "projects"),
        ("GET", _INSTANCES, "list"),
        ("POST", _INSTANCES, "create"),
        ("GET", _INSTANCE, "show"),
        ("PUT", _INSTANCE, "update"),
        ("DELETE", _INSTANCE, "delete"),
        ("POST", rf"{_INSTANCE}/action", "action"),
        ("GET", rf"{_INSTANCE}/token", "token"),
        *NOTEBOOK_ROUTES,
        ("POST", r"/v2/bills/ratings/on-demand-resources", "ratings"),
    )
)


def find_route(method: str, path: str) -> Route:
    for route_method, pattern, name in ROUTES:
        if route_method == method and (match := pattern.fullmatch(path)):
            groups = match.groupdict()
            return Route(name, groups.get("instance"), groups.get("project"))
    return Route("unknown")


class App:
    """Answers requests, without faults; fleets are by project id."""

    def __init__(
        self,
        iam: Iam,
        fleets: Mapping[str, Fleet],
        notebooks: Mapping[str, NotebookFleet],
        behavior: Behavior,
    ) -> None:
        self._iam = iam
        self._fleets = fleets
        self._behavior = behavior
        self._notebooks = {
            project_id: NotebookApi(fleet, behavior)
            for project_id, fleet in notebooks.items()
        }
        self._identity: dict[str, Callable[[Request], Answer]] = {
            "versions": lambda request: Answer(300, _versions(request)),
            "version": lambda request: Answer(200, {"version": _version(request)}),
            "token.issue": iam.issue,
            "token.show": iam.show,
            "token.revoke": iam.revoke,
            "projects": iam.projects,
        }

    def answer(self, request: Request, route: Route, *, dry: bool = False) -> Answer:
        """Answer a request; with ``dry``, a write is answered but changes nothing."""
        try:
            if len(request.body) > BODY_LIMIT_BYTES:
                raise service_refusal("4104", "The request body is too large.", 413)
            if route.name in self._identity:
                return self._identity[route.name](request)
            if route.name == "ratings" and self._behavior.is_huawei:
                return self._rate(request)
            if route.project_id is None:
                raise gateway_refusal(
                    "0101", "The API does not exist.", 404, request.id
                )
            if route.name.startswith("notebooks."):
                return self._second(request, route, route.project_id, dry)
            if not self._behavior.serves("demanager"):
                raise not_served(request)
            return self._first(request, route, route.project_id, dry)
        except RefusalError as refusal:
            return Answer(refusal.status, refusal.body)

    def _rate(self, request: Request) -> Answer:
        """Answer a call of the billing service."""
        _, project = self._iam.identify(request)
        # A token without a project may name any; no document says which it must have.
        named = {known.id for known in PROJECTS} if project is None else {project.id}
        return Answer(200, rate(request.body, named, self._behavior))

    def _second(
        self, request: Request, route: Route, project_id: str, dry: bool
    ) -> Answer:
        """Answer a call of the notebooks generation."""
        if not is_served(route.name, self._behavior):
            raise not_served(request)
        caller = self._iam.authorize(request, project_id)
        api = self._notebooks[project_id]
        return api.answer(request, route.name, route.instance_id or "", caller, dry=dry)

    def _first(
        self, request: Request, route: Route, project_id: str, dry: bool
    ) -> Answer:
        """Answer a call of the demanager generation."""
        caller = self._iam.authorize(request, project_id)
        fleet = self._fleets[project_id]
        instance_id = route.instance_id or ""
        applied = None
        match route.name:
            case "list":
                query = validation.parse_list_query(request.query)
                document = fleet.listing(query, caller)
            case "create":
                creation = parse_create(request.body)
                document, applied = fleet.create(creation, caller, dry=dry)
            case "update":
                fleet.get(instance_id)
                requested = validation.parse_update(request.body)
                document, applied = fleet.update(instance_id, requested, dry=dry)
            case "action":
                fleet.get(instance_id)
                action = validation.parse_action(request.body)
                document, applied = fleet.act(instance_id, action, dry=dry)
            case "delete":
                document, applied = fleet.delete(instance_id, dry=dry)
            case "token":
                document = _browser_token(fleet, instance_id)
            case _:
                document = fleet.show(instance_id)
        return Answer(200, document, applied=None if dry else applied)


def _browser_token(fleet: Fleet, instance_id: str) -> dict[str, str]:
    if fleet.get(instance_id).status != "RUNNING":
        raise service_refusal("6327", "The instance is not running.")
    digest = hashlib.sha256(f"browser token/{instance_id}".encode()).hexdigest()
    return {"token": digest[:32]}


def _version(request: Request) -> dict[str, object]:
    return {
        "id": "v3.6",
        "status": "stable",
        "updated": "2016-04-04T00:00:00Z",
        "links": [{"rel": "self", "href": f"{request.base_url}/v3/"}],
        "media-types": [
            {
                "base": "application/json",
                "type": "application/vnd.openstack.identity-v3+json",
            }
        ],
    }


def _versions(request: Request) -> dict[str, object]:
    return {"versions": {"values": [_version(request)]}}
