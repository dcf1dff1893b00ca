"""The calls of the demanager generation.

Source: ModelArts API Reference, "DevEnviron".
"""

from collections.abc import Iterable, Iterator, Set as AbstractSet
from functools import partial
from typing import Any

import httpx

from dashboard.modelarts import lenient, responses, schemas
from dashboard.modelarts.connection import Connection, Exchange, id_segment
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.paging import BYTES_PER_INSTANCE, read_pages, read_wanted
from dashboard.modelarts.requests import UpdateInstanceRequest
from dashboard.modelarts.results import (
    FindUnchanged,
    InstancePage,
    Layout,
    Observation,
    read_observation,
)
from dashboard.modelarts.signing import canonical_query
from dashboard.outbound.transport import MAX_BYTES, largest_answer

_ROOT = "/demanager/instances"

_LAYOUT = Layout(schemas.Instance, total="total_count", records="instances")


class DemanagerApi:
    """A method for each documented call; each raises only ``ModelArtsError``."""

    generation = Generation.DEMANAGER
    page_size = 200

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list_instances(
        self,
        *,
        page_size: int = 100,
        show_self: bool = False,
        status: str | None = None,
        workspace_id: str | None = None,
        find_unchanged: FindUnchanged | None = None,
        offset: int = 0,
        seen: Iterable[str] = (),
        expected: int = 0,
    ) -> Iterator[InstancePage]:
        """Yield the pages of the listing; see ``InstanceApi.list_instances``.

        Args:
            page_size: Records per request, at least 1.
            show_self: Only the calling user's own instances instead of everyone's.
            status: Only instances in this status.
            workspace_id: None leaves it to the cloud, which takes the default one.
            find_unchanged: As in ``InstanceApi.list_instances``, and so the rest.
        """
        if page_size < 1:
            raise ValueError("page_size must be at least 1")
        params = {
            "de_type": "Notebook",
            "limit": str(page_size),
            "show_self": "true" if show_self else "false",
        }
        if status is not None:
            params["status"] = status
        if workspace_id is not None:
            params["workspace_id"] = workspace_id
        yield from read_pages(
            partial(self._page, params, page_size),
            _LAYOUT,
            page_size=page_size,
            find_unchanged=find_unchanged,
            offset=offset,
            seen=seen,
            expected=expected,
        )

    def list_by_age(self, offset: int, wanted: AbstractSet[str]) -> InstancePage:
        """Read one page by age; see ``InstanceApi.list_by_age``."""
        params = {
            "de_type": "Notebook",
            "limit": str(self.page_size),
            "show_self": "false",
            "sortby": "creation_timestamp",
            "order": "asc",
        }
        response = self._page(params, self.page_size, offset)
        return read_wanted(response, _LAYOUT, offset=offset, wanted=wanted)

    def show_instance(self, instance_id: str) -> Observation:
        """Read one instance ("Querying the Details ...").

        Raises:
            InstanceNotFoundError: It does not exist.
            ModelArtsError: Any other failure.
        """
        return self._observe(self._send("show", "GET", instance_id))

    def update_instance(
        self, instance_id: str, change: UpdateInstanceRequest
    ) -> Observation:
        """Change description or auto-stop ("Modifying the Description ...").

        Returns:
            The instance as the answer contains it. A new ``duration`` of a running
            instance counts from its next start.

        Raises:
            AmbiguousError: The instance may have been changed: read it again.
            ModelArtsError: The instance was not changed.
        """
        return self._observe(
            self._send("update", "PUT", instance_id, body=change.body())
        )

    def start_instance(
        self, instance_id: str, run_seconds: int | None = None
    ) -> schemas.ActionResponse:
        """Start an instance ("Managing a Development Environment Instance").

        Raises:
            ValueError: A run time was given: it is a setting, which ``update_instance``
                changes.
            StateRefusedError: For example, it is already running or starting.
            ModelArtsError: Any other failure.
        """
        if run_seconds is not None:
            raise ValueError("this generation takes no run time")
        return self._act(instance_id, "start")

    def stop_instance(self, instance_id: str) -> schemas.ActionResponse:
        """Stop an instance ("Managing a Development Environment Instance").

        Only its work directory is kept.

        Raises:
            StateRefusedError: For example, it is already stopped or stopping.
            ModelArtsError: Any other failure.
        """
        return self._act(instance_id, "stop")

    def _act(self, instance_id: str, action: str) -> schemas.ActionResponse:
        response = self._send(
            action, "POST", instance_id, "/action", body={"action": action}
        )
        document = responses.read_document(response)
        return lenient.read(schemas.ActionResponse.model_validate, document)[0]

    def _observe(self, response: httpx.Response) -> Observation:
        return read_observation(response, schemas.Instance)

    def _page(
        self, params: dict[str, str], page_size: int, offset: int
    ) -> httpx.Response:
        query = canonical_query((params | {"offset": str(offset)}).items())
        return self._connection.send(
            Exchange(
                self.generation,
                "list",
                "GET",
                f"{_ROOT}?{query}",
                extensions=largest_answer(MAX_BYTES + page_size * BYTES_PER_INSTANCE),
            )
        )

    def _send(
        self,
        operation: str,
        method: str,
        instance_id: str,
        path: str = "",
        *,
        body: dict[str, Any] | None = None,
    ) -> httpx.Response:
        """Send a request about one instance."""
        return self._connection.send(
            Exchange(
                self.generation,
                operation,
                method,
                f"{_ROOT}{id_segment(instance_id)}{path}",
                body,
                about_instance=True,
            )
        )
