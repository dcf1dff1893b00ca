"""Routes of the second generation.

Source: ``docs/modelarts-api.md``, B.1 (calls), D.1 (errors).
"""

from typing import Any

from dashboard.emulator.behavior import Behavior
from dashboard.emulator.errors import RefusalError, gateway_refusal, service_refusal
from dashboard.emulator.message import Answer, Request
from dashboard.emulator.people import User

from . import requests
from .catalog import FLAVORS, NotebookFlavor
from .fleet import QUOTA, NotebookFleet

_NOTEBOOKS = r"/v1/(?P<project>[^/]+)/notebooks"
_NOTEBOOK = rf"{_NOTEBOOKS}/(?P<instance>[^/]+)"
_FEATURES = r"/v1/(?P<project>[^/]+)/authoring/features/NOTEBOOK"

#: (method, path, name); the first that matches counts.
NOTEBOOK_ROUTES = (
    ("GET", _NOTEBOOKS, "notebooks.list"),
    ("POST", _NOTEBOOKS, "notebooks.create"),
    ("GET", rf"{_NOTEBOOKS}/all", "notebooks.list_all"),
    ("GET", rf"{_NOTEBOOKS}/flavors", "notebooks.flavors"),
    ("GET", rf"{_NOTEBOOKS}/tags", "notebooks.tags.list"),
    ("GET", _NOTEBOOK, "notebooks.show"),
    ("PUT", _NOTEBOOK, "notebooks.update"),
    ("DELETE", _NOTEBOOK, "notebooks.delete"),
    ("POST", rf"{_NOTEBOOK}/start", "notebooks.start"),
    ("POST", rf"{_NOTEBOOK}/stop", "notebooks.stop"),
    ("GET", rf"{_NOTEBOOK}/lease", "notebooks.lease"),
    ("PATCH", rf"{_NOTEBOOK}/lease", "notebooks.renew"),
    ("GET", rf"{_NOTEBOOK}/flavors", "notebooks.switchable_flavors"),
    ("POST", rf"{_NOTEBOOK}/tags/create", "notebooks.tags.create"),
    ("DELETE", rf"{_NOTEBOOK}/tags/delete", "notebooks.tags.delete"),
    ("GET", _FEATURES, "notebooks.quota"),
)
#: Calls that only Huawei's edition has.
_HUAWEI_ROUTES = frozenset(
    {
        "notebooks.tags.list",
        "notebooks.tags.create",
        "notebooks.tags.delete",
        "notebooks.quota",
    }
)


def is_served(route: str, behavior: Behavior) -> bool:
    """Return whether the cloud has this route of ``NOTEBOOK_ROUTES``."""
    if route in _HUAWEI_ROUTES and not behavior.is_huawei:
        return False
    return behavior.serves("notebooks")


class NotebookApi:
    """Answers the calls of one project's notebooks."""

    def __init__(self, fleet: NotebookFleet, behavior: Behavior) -> None:
        self._fleet = fleet
        self._behavior = behavior

    def answer(
        self,
        request: Request,
        route: str,
        notebook_id: str,
        caller: User,
        *,
        dry: bool = False,
    ) -> Answer:
        """Answer a request.

        Raises:
            RefusalError: The service refuses it, with the error text under the name
                that ``Behavior.error_text`` chooses.
        """
        try:
            return self._answer(request, route, notebook_id, caller, dry)
        except RefusalError as refusal:
            raise self._reworded(refusal) from None

    def _answer(
        self, request: Request, route: str, notebook_id: str, caller: User, dry: bool
    ) -> Answer:
        fleet, behavior = self._fleet, self._behavior
        query, body = request.query, request.body
        applied = None
        document: Any = None
        if notebook_id:
            fleet.get(notebook_id)
        match route:
            case "notebooks.list" | "notebooks.list_all":
                document = self._listing(route, request, caller)
            case "notebooks.create":
                creation = requests.parse_create(body, behavior)
                document, applied = fleet.create(creation, caller, dry=dry)
            case "notebooks.show":
                document = fleet.show(notebook_id)
            case "notebooks.update":
                changes = requests.parse_update(body, behavior)
                document, applied = fleet.update(notebook_id, changes, dry=dry)
            case "notebooks.delete":
                document, applied = fleet.delete(notebook_id, dry=dry)
                if behavior.delete_answer == "nothing":
                    document = None
            case "notebooks.start":
                lease = requests.parse_start(query, body, behavior)
                document, applied = fleet.start(notebook_id, lease, dry=dry)
            case "notebooks.stop":
                document, applied = fleet.stop(notebook_id, dry=dry)
            case "notebooks.lease":
                document = fleet.lease(notebook_id)
            case "notebooks.renew":
                self._check_may_renew()
                lease = requests.parse_renewal(query, body, behavior)
                document, applied = fleet.renew(notebook_id, lease, dry=dry)
                if behavior.renew_answer == "nothing":
                    document = None
            case "notebooks.tags.create" | "notebooks.tags.delete":
                tags = requests.parse_tags(body)
                add = route == "notebooks.tags.create"
                applied = fleet.change_tags(notebook_id, tags, add=add, dry=dry)
            case "notebooks.tags.list":
                values = fleet.tags().items()
                document = {"tags": [{"key": k, "values": v} for k, v in values]}
            case "notebooks.flavors":
                document = _flavors(list(FLAVORS.values()), query)
            case "notebooks.switchable_flavors":
                document = _flavors(fleet.switchable_flavors(notebook_id), query)
                document["flavors"] = document["data"]
            case _:
                document = {
                    "id": "00000000-0000-0000-0000-00000000000f",
                    "name": "NOTEBOOK",
                    "enabled": True,
                    "quota": QUOTA,
                    "used": len(fleet),
                    "user_id": caller.id,
                }
        status = 204 if document is None else 200
        return Answer(status, document, applied=None if dry else applied)

    def _listing(self, route: str, request: Request, caller: User) -> dict[str, Any]:
        query = requests.parse_list_query(request.query, self._behavior)
        everybody = route == "notebooks.list_all"
        if everybody or query.owner_id is not None:
            self._check_administrator()
        owner_id = None if everybody or query.owner_id else caller.id
        return self._fleet.listing(query, owner_id)

    def _check_administrator(self) -> None:
        if self._behavior.list_all == "refuse":
            raise service_refusal(
                "6407",
                "You do not have the permission: modelarts:notebook:listAllNotebooks.",
                403,
            )

    def _check_may_renew(self) -> None:
        if self._behavior.renew == "refuse":
            refusal = service_refusal(
                "6407",
                "Policy doesn't allow modelarts:notebook:updateStopPolicy to be "
                "performed.",
                403,
            )
            refusal.body["encoded_authorization_message"] = "FAKE-encoded-message"
            raise refusal

    def _reworded(self, refusal: RefusalError) -> RefusalError:
        body = dict(refusal.body)
        if "error_message" in body:
            body[self._behavior.error_text] = body.pop("error_message")
        return RefusalError(refusal.status, body)


def not_served(request: Request) -> RefusalError:
    """Build the gateway's answer for an API that does not exist."""
    return gateway_refusal(
        "0101", "The API does not exist or has not been published.", 404, request.id
    )


def _flavors(flavors: list[NotebookFlavor], query: dict[str, str]) -> dict[str, Any]:
    """Return one page with all flavors: their pages count from 1."""
    category = query.get("category", "").upper()
    data = [
        flavor.document() for flavor in flavors if category in {"", flavor.category}
    ]
    return {
        "current": 1,
        "data": data,
        "pages": 1,
        "size": len(data),
        "total": len(data),
    }
