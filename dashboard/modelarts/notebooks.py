"""The calls of the notebooks generation.

Source: ``docs/modelarts-api.md``, part B.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import httpx

from dashboard.modelarts import lenient, responses
from dashboard.modelarts.codes import Kind, Meaning
from dashboard.modelarts.connection import Connection, Exchange, id_segment
from dashboard.modelarts.errors import PermissionRefusedError
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.instance_state import TIMING
from dashboard.modelarts.messages import Problem
from dashboard.modelarts.notebook_schemas import Lease, Notebook, ProjectTags
from dashboard.modelarts.paging import BYTES_PER_INSTANCE, read_pages, read_wanted
from dashboard.modelarts.requests import (
    RenewLeaseRequest,
    StartNotebookRequest,
    TagsRequest,
    UpdateNotebookRequest,
)
from dashboard.modelarts.results import (
    FindUnchanged,
    InstancePage,
    Layout,
    Observation,
    Scope,
    read_observation,
)
from dashboard.modelarts.signing import canonical_query
from dashboard.outbound.transport import MAX_BYTES, largest_answer

PAGE_SIZES = (10, 20, 50)
"""The only numbers of records that a page may have."""

_ROOT = "/notebooks"

_LAYOUT = Layout(Notebook, total="total", records="data")

_GONE = Meaning(Kind.GONE, Problem.GONE)
_NO_RENEWAL_RIGHT = Meaning(Kind.PERMISSION, Problem.NO_RENEWAL_RIGHT)
_SPECIAL: dict[str, dict[Problem, Meaning]] = {
    # ModelArts.6357 and ModelArts.0102 were seen for notebooks that do not exist.
    "show": {Problem.OTHER_OPERATION: _GONE, Problem.NO_WORKSPACE: _GONE},
    # ModelArts.6357 again.
    "stop": {
        Problem.OTHER_OPERATION: Meaning(Kind.STATE, Problem.ALREADY_STOPPED),
    },
    "renew": {
        Problem.FORBIDDEN: _NO_RENEWAL_RIGHT,
        Problem.NO_RIGHTS: _NO_RENEWAL_RIGHT,
    },
}
"""What some problems mean for one call alone, by operation (B.7)."""


class NotebooksApi:
    """A method for each documented call; each raises only ``ModelArtsError``."""

    generation = Generation.NOTEBOOKS
    page_size = PAGE_SIZES[-1]

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list_instances(
        self,
        *,
        page_size: int = PAGE_SIZES[-1],
        status: str | None = None,
        workspace_id: str | None = None,
        find_unchanged: FindUnchanged | None = None,
        offset: int = 0,
        seen: Iterable[str] = (),
        expected: int = 0,
    ) -> Iterator[InstancePage]:
        """Yield the pages of the listing; see ``InstanceApi.list_instances``.

        It has everyone's notebooks if the cloud's user has administrator rights, else
        only its own: see ``InstancePage.scope``.

        Args:
            page_size: The largest of ``PAGE_SIZES`` up to this one is used.
            status: Only notebooks in this status.
            workspace_id: None leaves it to the cloud, which takes the default one.
            find_unchanged: As in ``InstanceApi.list_instances``, and so the rest.
        """
        if page_size < 1:
            raise ValueError("page_size must be at least 1")
        page_size = max(
            (size for size in PAGE_SIZES if size <= page_size), default=PAGE_SIZES[0]
        )
        params = {"limit": str(page_size)}
        if status is not None:
            params["status"] = status
        if workspace_id is not None:
            # The first on Open Telekom Cloud, the second on Huawei Cloud.
            params |= {"workspaceId": workspace_id, "workspace_id": workspace_id}
        pages_of = partial(
            self._pages,
            params=params,
            page_size=page_size,
            find_unchanged=find_unchanged,
            offset=offset,
            seen=list(seen),
            expected=expected,
        )
        pages = pages_of("all")
        try:
            first = next(pages)
        except PermissionRefusedError:
            yield from pages_of("own")
            return
        yield first
        yield from pages

    def list_by_age(self, offset: int, wanted: AbstractSet[str]) -> InstancePage:
        """Read one page by age; see ``InstanceApi.list_by_age``.

        Raises:
            PermissionRefusedError: The cloud's user has no administrator rights.
        """
        params = {
            "limit": str(self.page_size),
            "sort_key": "create_at",
            "sort_dir": "ASC",
        }
        response = self._page("all", params, self.page_size, offset)
        return read_wanted(response, _LAYOUT, offset=offset, wanted=wanted)

    def show_instance(self, instance_id: str) -> Observation:
        """Read one notebook ("Querying Details of a Notebook Instance").

        Raises:
            InstanceNotFoundError: It does not exist.
            ModelArtsError: Any other failure.
        """
        return read_observation(self._send("show", "GET", instance_id), Notebook)

    def update_instance(
        self, instance_id: str, change: UpdateNotebookRequest
    ) -> Observation:
        """Change name or description ("Updating a Notebook Instance").

        Some clouds refuse it while the notebook runs.

        Returns:
            The notebook as far as the answer contains it.

        Raises:
            StateRefusedError: For example, it runs.
            AmbiguousError: The notebook may have been changed: read it again.
            ModelArtsError: The notebook was not changed.
        """
        response = self._send("update", "PUT", instance_id, body=change.body())
        return _observed(response, instance_id)

    def start_instance(
        self,
        instance_id: str,
        run_seconds: int | None = None,
        *,
        lease_type: Literal["timing", "idle"] = TIMING,
    ) -> Observation:
        """Start a notebook ("Starting a Notebook Instance").

        Args:
            instance_id: A notebook that is not running.
            run_seconds: 3 600 to 259 200, or ``requests.NO_AUTO_STOP_SECONDS``; None
                leaves it to the cloud.
            lease_type: What the run time means; see ``RenewLeaseRequest``.

        Raises:
            pydantic.ValidationError: The run time is out of range.
            StateRefusedError: For example, it is already running or starting.
            ModelArtsError: Any other failure.
        """
        path = "/start"
        if run_seconds is not None:
            lease = StartNotebookRequest(seconds=run_seconds, type=lease_type)
            path += f"?{canonical_query(lease.query().items())}"
        response = self._send("start", "POST", instance_id, path, body={})
        return _observed(response, instance_id)

    def stop_instance(self, instance_id: str) -> Observation:
        """Stop a notebook ("Stopping a Notebook Instance").

        Raises:
            StateRefusedError: For example, it is stopping; with the message
                ``Problem.ALREADY_STOPPED`` there is nothing to do.
            ModelArtsError: Any other failure.
        """
        return _observed(self._send("stop", "POST", instance_id, "/stop"), instance_id)

    def show_lease(self, instance_id: str) -> Lease:
        """Read the lease of a running notebook ("Querying the Available Duration ...").

        Raises:
            InstanceNotFoundError: The notebook does not exist.
            ModelArtsError: Any other failure; for example, it is not running.
        """
        response = self._send("show_lease", "GET", instance_id, "/lease")
        document = responses.read_document(response)
        return lenient.read(Lease.model_validate, document)[0]

    def renew_lease(self, instance_id: str, lease: RenewLeaseRequest) -> Lease | None:
        """Set the end of the present run ("Prolonging a Notebook Instance").

        Returns:
            The lease as the answer contains it, if it does. Read the notebook again: in
            some samples the duration of this lease is not counted from its creation.

        Raises:
            PermissionRefusedError: The cloud's user lacks the permission
                ``modelarts:notebook:updateStopPolicy``.
            StateRefusedError: For example, it is not running.
            AmbiguousError: The lease may have been renewed: read the notebook again.
            ModelArtsError: The lease was not renewed.
        """
        response = self._send(
            "renew", "PATCH", instance_id, "/lease", body=lease.body()
        )
        document = _optional_document(response)
        return lenient.read(Lease.model_validate, document)[0] if document else None

    def add_tags(self, instance_id: str, tags: Mapping[str, str]) -> None:
        """Add tags to a notebook; replace the values of those that it has.

        Raises:
            pydantic.ValidationError: The cloud would refuse a key or a value.
            NotServedError: This cloud has no tags.
            ModelArtsError: Any other failure.
        """
        body = TagsRequest(tags=dict(tags)).body()
        self._send("add_tags", "POST", instance_id, "/tags/create", body=body)

    def delete_tags(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete tags of a notebook.

        Raises:
            NotServedError: This cloud has no tags.
            ModelArtsError: Any other failure.
        """
        body = TagsRequest(tags=dict.fromkeys(keys)).body()
        self._send("delete_tags", "DELETE", instance_id, "/tags/delete", body=body)

    def list_tags(self) -> dict[str, list[str]]:
        """Return the values by key of all tags of the project's notebooks.

        Raises:
            NotServedError: This cloud has no tags.
            ModelArtsError: Any other failure.
        """
        response = self._connection.send(
            Exchange(self.generation, "list_tags", "GET", f"{_ROOT}/tags")
        )
        document = responses.read_document(response)
        answer, _ = lenient.read(ProjectTags.model_validate, document)
        return {
            tag.key: [value for value in tag.values or [] if value is not None]
            for tag in answer.tags or []
            if tag.key
        }

    def _pages(
        self, scope: Scope, *, params: dict[str, str], page_size: int, **options: Any
    ) -> Iterator[InstancePage]:
        pages = read_pages(
            partial(self._page, scope, params, page_size),
            _LAYOUT,
            page_size=page_size,
            **options,
        )
        for page in pages:
            yield replace(page, scope=scope)

    def _page(
        self, scope: Scope, params: dict[str, str], page_size: int, offset: int
    ) -> httpx.Response:
        query = canonical_query((params | {"offset": str(offset)}).items())
        operation, path = {
            "all": ("list", f"{_ROOT}/all"),
            "own": ("list_own", _ROOT),
        }[scope]
        return self._connection.send(
            Exchange(
                self.generation,
                operation,
                "GET",
                f"{path}?{query}",
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
        """Send a request about one notebook."""
        return self._connection.send(
            Exchange(
                self.generation,
                operation,
                method,
                f"{_ROOT}{id_segment(instance_id)}{path}",
                body,
                about_instance=True,
                special=_SPECIAL.get(operation, {}),
            )
        )


def _observed(response: httpx.Response, instance_id: str) -> Observation:
    """Return the notebook of an answer that may be empty or lack members."""
    document = _optional_document(response)
    if not document.get("id"):
        document["id"] = instance_id
    return read_observation(response, Notebook, document)


def _optional_document(response: httpx.Response) -> dict[str, Any]:
    return responses.read_document(response) if response.content.strip() else {}
