"""The requests of each generation of the API; no other module here tells them apart.

Source: ``docs/modelarts-api.md``, A.4 to A.6 and B.1 to B.6.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, NamedTuple

from dashboard.edits.models import Edit
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.errors import UnclearError
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.instance_state import IDLE
from dashboard.modelarts.messages import Problem
from dashboard.modelarts.requests import (
    NO_AUTO_STOP_SECONDS,
    AutoStopChange,
    RenewLeaseRequest,
    UpdateInstanceRequest,
    UpdateNotebookRequest,
)

_AUTO_STOP = frozenset({"auto_stop_enable", "auto_stop_duration", "auto_stop_prompt"})

type Values = Mapping[str, Any]


class Request(NamedTuple):
    """A request that is ready to be sent.

    Attributes:
        body: For ``Attempt.body``: what is sent, and what it leads to.
    """

    body: dict[str, Any]
    send: Callable[[], object]


class Calls:
    """The requests about one instance.

    Attributes:
        already_done: The codes that refuse a start or a stop since nothing is left to
            do.
    """

    already_done: ClassVar[Mapping[str, frozenset[str]]] = {
        Edit.Kind.START: frozenset({"ModelArts.6305", "ModelArts.6306"}),
        Edit.Kind.STOP: frozenset({"ModelArts.6307", "ModelArts.6308"}),
    }

    def __init__(self, client: ModelArtsClient, instance_id: str) -> None:
        self._client, self._id = client, instance_id

    def changes(self, values: Values, current: Values) -> list[Request]:
        """Return the requests that change just these settings.

        Args:
            values: The new values.
            current: The values of the cloud.

        Raises:
            pydantic.ValidationError: The cloud would refuse the values.
        """
        raise NotImplementedError

    def start(self, run: Values) -> Request:
        """Return the start; ``run`` is the patch of its edit."""
        raise NotImplementedError

    def stop(self) -> Request:
        raise NotImplementedError

    def renewal(self, lease: Values, seconds: int) -> Request:
        """Return the request for another end of this run.

        Args:
            lease: The requested one (``leases``).
            seconds: How long that is: from now, or without use.

        Raises:
            pydantic.ValidationError: The cloud would refuse the duration.
        """
        raise NotImplementedError


class DemanagerCalls(Calls):
    """Those of the old API: auto-stop is a setting."""

    def __init__(self, client: ModelArtsClient, instance_id: str) -> None:
        super().__init__(client, instance_id)
        self._api = client.demanager

    def changes(self, values: Values, current: Values) -> list[Request]:
        request = update_request(values, current)
        send = partial(self._api.update_instance, self._id, request)
        return [Request(request.body(), send)]

    def start(self, run: Values) -> Request:
        return self._action(Edit.Kind.START, self._api.start_instance)

    def stop(self) -> Request:
        return self._action(Edit.Kind.STOP, self._api.stop_instance)

    def _action(self, kind: str, action: Callable[[str], object]) -> Request:
        return Request({"action": str(kind)}, partial(action, self._id))


class NotebookCalls(Calls):
    """Those of the new API: each run has a lease."""

    already_done: ClassVar[Mapping[str, frozenset[str]]] = {
        Edit.Kind.START: Calls.already_done[Edit.Kind.START],
        Edit.Kind.STOP: Calls.already_done[Edit.Kind.STOP] | {"ModelArts.6357"},
    }

    def __init__(self, client: ModelArtsClient, instance_id: str) -> None:
        super().__init__(client, instance_id)
        self._api = client.notebooks

    def changes(self, values: Values, current: Values) -> list[Request]:
        # Tags first, since they may change while the notebook runs.
        requests = self._tags(values["tags"], current) if "tags" in values else []
        settings = {
            name: values[name] for name in ("name", "description") if name in values
        }
        if settings:
            request = UpdateNotebookRequest(**settings)
            send = partial(self._api.update_instance, self._id, request)
            requests.append(Request(request.body(), send))
        return requests

    def start(self, run: Values) -> Request:
        if not run:
            return Request(
                {"action": str(Edit.Kind.START)},
                partial(self._api.start_instance, self._id),
            )
        has_end = run["auto_stop_enable"]
        seconds = run["auto_stop_duration"] if has_end else NO_AUTO_STOP_SECONDS
        return Request(
            {"action": str(Edit.Kind.START), "seconds": seconds},
            partial(self._api.start_instance, self._id, seconds),
        )

    def stop(self) -> Request:
        return Request(
            {"action": str(Edit.Kind.STOP)}, partial(self._api.stop_instance, self._id)
        )

    def renewal(self, lease: Values, seconds: int) -> Request:
        request = RenewLeaseRequest(seconds=seconds, type=lease["lease_type"])
        send = partial(self._api.renew_lease, self._id, request)
        target = {} if lease["lease_type"] == IDLE else lease
        return Request({**target, **request.body()}, send)

    def _tags(self, tags: dict[str, str], current: Values) -> list[Request]:
        """Return an addition and a deletion, each with the tags that it leads to.

        The addition comes first: if the cloud refuses it, no tag is lost.
        """
        before = current["tags"] or {}
        gone = [key for key in before if key not in tags]
        new = {key: value for key, value in tags.items() if before.get(key) != value}
        requests = []
        if new:
            send_new = partial(self._api.add_tags, self._id, new)
            requests.append(Request({"tags": {**before, **new}}, send_new))
        if gone:
            send = partial(self._api.delete_tags, self._id, gone)
            requests.append(Request({"tags": dict(tags)}, send))
        return requests


_BY_GENERATION: dict[str, type[Calls]] = {
    Generation.DEMANAGER: DemanagerCalls,
    Generation.NOTEBOOKS: NotebookCalls,
}


def calls_for(generation: str, client: ModelArtsClient, instance_id: str) -> Calls:
    return _BY_GENERATION[generation](client, instance_id)


def update_request(send: Values, current: Values) -> UpdateInstanceRequest:
    """Return the body that changes just these fields of a demanager instance.

    ``auto_stop`` always contains ``enable``, since an absent one means false, and with
    ``enable`` also ``duration`` (ModelArts.6348), as they are in the cloud.

    Raises:
        pydantic.ValidationError: The cloud has a value that it would refuse.
        UnclearError: Its answer did not say whether auto-stop is on.
    """
    auto_stop = None
    if _AUTO_STOP & send.keys():
        enable = send.get("auto_stop_enable", current["auto_stop_enable"])
        if enable is None:
            # A guess could switch it off.
            raise UnclearError(Problem.UNREADABLE)
        duration = send.get("auto_stop_duration")
        if duration is None and enable:
            duration = current["auto_stop_duration"]
        auto_stop = AutoStopChange(
            enable=enable, duration=duration, prompt=send.get("auto_stop_prompt")
        )
    return UpdateInstanceRequest(
        description=send.get("description"), auto_stop=auto_stop
    )
