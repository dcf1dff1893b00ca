"""ModelArtsClient: one method per documented call.

Source: ModelArts API Reference, "DevEnviron" (demanager generation).
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from dashboard.modelarts import messages, responses, schemas
from dashboard.modelarts.auth import IamTokenAuth
from dashboard.modelarts.call_metrics import Call, outcome_of
from dashboard.modelarts.cloud_config import ENDPOINT_KEY, CloudConfig
from dashboard.modelarts.endpoints import region_endpoint, split_endpoint
from dashboard.modelarts.errors import (
    ConfigurationError,
    InvalidInputError,
    ModelArtsError,
)
from dashboard.modelarts.results import (
    ClockReading,
    Familiar,
    InstancePage,
    Observation,
    UnreadableInstance,
    note_arrival,
    read_observation,
    read_page,
    upstream_skew_ms,
)
from dashboard.modelarts.signing import canonical_query
from dashboard.modelarts.transport_errors import error_from_failure
from dashboard.outbound.transport import (
    MAX_BYTES,
    deadline,
    largest_answer,
    open_http,
)

__all__ = [
    "ClockReading",
    "InstancePage",
    "ModelArtsClient",
    "Observation",
    "UnreadableInstance",
    "upstream_skew_ms",
]

_BYTES_PER_INSTANCE = 16_000  # the documented samples are under 3 000
_MOST_INSTANCES = 100_000  # a listing that claims more is a lie


class ModelArtsClient:
    """One HTTP exchange per method; raises only ``errors.ModelArtsError``.

    Thread-safe, with a pool of connections: keep one per process and cloud. Nothing is
    retried but once after a refused token. A call ends within ``TOTAL_SECONDS`` of
    ``transport``, the time in ``before_request`` not counted.
    """

    def __init__(
        self,
        config: CloudConfig,
        *,
        before_request: Callable[[], None] | None = None,
        after_call: Callable[[Call], None] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open a pool; nothing is sent yet.

        Args:
            config: From ``clouds.load_cloud``.
            before_request: Called before each request to ModelArts, the repeated one
                included: the place for a rate limiter. What it raises goes through.
            after_call: Called after each call, whatever its outcome. It must not raise.
            transport: Instead of the network, for tests.
        """
        self._config = config
        self._before_request = before_request
        self._after_call = after_call
        self._base: str | None = None
        self._http = open_http(
            verify=config.verify,
            proxy=config.proxy,
            transport=transport,
            auth=config.auth,
            event_hooks={"request": [self._ask_leave], "response": [note_arrival]},
        )

    @classmethod
    def from_config(
        cls,
        config: CloudConfig,
        *,
        before_request: Callable[[], None] | None = None,
        after_call: Callable[[Call], None] | None = None,
    ) -> Self:
        """Return a client for one cloud. See ``__init__``."""
        return cls(config, before_request=before_request, after_call=after_call)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def list_instances(
        self,
        *,
        page_size: int = 100,
        show_self: bool = False,
        status: str | None = None,
        workspace_id: str | None = None,
        unchanged: Familiar | None = None,
        offset: int = 0,
        seen: Iterable[str] = (),
        expected: int = 0,
    ) -> Iterator[InstancePage]:
        """Page through the instances, one request per page, when it is asked for.

        The set may change between pages, so the listing is complete only if it held
        ``total_count`` instances; instances met twice are given once. That number may
        be wrong, so a full page is always followed by a request for the next.

        Args:
            page_size: Records per request, at least 1.
            show_self: Only the calling user's own; False shows everybody's.
            status: One status; None for all.
            workspace_id: None leaves it to the cloud, which takes the default one.
            unchanged: Asked, with the records of each page as received, for the ids of
                those that need not be read: reading is most of the work.
            offset: Where to go on with an earlier listing; 0 begins a new one.
            seen: Ids of that earlier listing.
            expected: How many instances the caller knows. Fewer count as all of them
                only when a page comes back empty.

        Yields:
            At least one page. The last is empty, repeats only what came before, or is
            a short one that reaches ``total_count``.

        Raises:
            ModelArtsError: When a page could not be had.
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
        allowed = largest_answer(MAX_BYTES + page_size * _BYTES_PER_INSTANCE)
        known = set(seen)
        while True:
            query = canonical_query((params | {"offset": str(offset)}).items())
            response = self._exchange("list", "GET", f"?{query}", extensions=allowed)
            page = read_page(response, offset=offset, seen=known, unchanged=unchanged)
            offset += page.records
            is_short = page.records < page_size
            is_last = (
                page.is_empty
                or offset >= _MOST_INSTANCES
                or (is_short and offset >= max(page.total_count, expected))
            )
            yield replace(page, is_last=is_last)
            if is_last:
                return

    def show_instance(self, instance_id: str) -> Observation:
        """Read one instance ("Querying the Details ...").

        Raises:
            InstanceNotFoundError: It does not exist.
            ModelArtsError: Any other failure.
        """
        return read_observation(self._exchange("show", "GET", _path(instance_id)))

    def update_instance(
        self, instance_id: str, change: schemas.UpdateInstanceRequest
    ) -> Observation:
        """Change description or auto-stop ("Modifying the Description ...").

        Returns:
            The instance as the answer shows it. On a running instance a new
            ``duration`` counts from its next start.

        Raises:
            AmbiguousError: It may have been changed: read it again.
            ModelArtsError: It was not changed.
        """
        return read_observation(
            self._exchange("update", "PUT", _path(instance_id), body=change.body())
        )

    def start_instance(self, instance_id: str) -> schemas.ActionResponse:
        """Ask for a start ("Managing a Development Environment Instance").

        Raises:
            StateRefusedError: It is running or starting already, among others.
            ModelArtsError: Any other failure.
        """
        return self._act(instance_id, "start")

    def stop_instance(self, instance_id: str) -> schemas.ActionResponse:
        """Ask for a stop ("Managing a Development Environment Instance").

        Only the work directory survives it.

        Raises:
            StateRefusedError: It is stopped or stopping already, among others.
            ModelArtsError: Any other failure.
        """
        return self._act(instance_id, "stop")

    def _act(self, instance_id: str, action: str) -> schemas.ActionResponse:
        path = f"{_path(instance_id)}/action"
        response = self._exchange(action, "POST", path, body={"action": action})
        return schemas.ActionResponse.model_validate(responses.read_document(response))

    def _exchange(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        extensions: dict[str, Any] | None = None,
    ) -> httpx.Response:
        """Send one request and read its answer, all within the deadline."""
        outcome = "interrupted"
        with deadline() as present:
            try:
                response = self._send(method, path, body, extensions)
                outcome = "ok"
            except ModelArtsError as error:
                outcome = outcome_of(error)
                raise
            finally:
                if self._after_call is not None:
                    self._after_call(Call(operation, outcome, present.spent_seconds()))
        return response

    def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        extensions: dict[str, Any] | None,
    ) -> httpx.Response:
        try:
            request = self._http.build_request(
                method,
                f"{self._base_url()}{path}",
                content=None if body is None else _encoded(body),
                headers={"Content-Type": "application/json"},
                extensions=extensions,
            )
            response = self._http.send(request, stream=True)
            return _completed(response, about_instance=path.startswith("/"))
        except httpx.RequestError as failure:
            error = error_from_failure(failure)
        except httpx.InvalidURL:
            error = ConfigurationError(
                messages.CLOUD_ADDRESS_OF_MODELARTS, {"cloud": repr(self._config.name)}
            )
        # Raised out here, since httpx's error holds the request with its token.
        raise error

    def _base_url(self) -> str:
        """Address of the instances; may sign in, where only the token tells it."""
        if self._base is None:
            endpoint, project_id = self._config.endpoint, self._config.project_id
            if isinstance(self._config.auth, IamTokenAuth) and not (
                endpoint and project_id
            ):
                token = self._config.auth.scope()
                endpoint = endpoint or token.endpoint
                project_id = project_id or token.project_id
            endpoint = endpoint or region_endpoint(self._config.region)
            if endpoint is None or project_id is None:
                raise _no_place(self._config, endpoint)
            self._config.check_endpoint(endpoint)
            root = split_endpoint(endpoint).root
            project = quote(project_id, safe="")
            self._base = f"{root}/v1/{project}/demanager/instances"
        return self._base

    def _ask_leave(self, request: httpx.Request) -> None:
        if self._before_request is None:
            return
        with deadline() as present, present.paused():
            self._before_request()


def _no_place(config: CloudConfig, endpoint: str | None) -> ConfigurationError:
    cloud = {"cloud": repr(config.name)}
    if endpoint is not None:
        return ConfigurationError(messages.CLOUD_TOKEN_FOR_NO_PROJECT, cloud)
    cloud["key"] = ENDPOINT_KEY
    if not config.region:
        return ConfigurationError(messages.CLOUD_NOT_IN_CATALOG, cloud)
    cloud["region"] = repr(config.region)
    return ConfigurationError(messages.CLOUD_NOT_IN_REGION, cloud)


def _path(instance_id: str) -> str:
    """Path of one instance below that of all instances."""
    if not instance_id.strip(".") or not instance_id.isprintable():
        raise InvalidInputError(messages.BAD_ID)
    return f"/{quote(instance_id, safe='~')}"


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _completed(response: httpx.Response, *, about_instance: bool) -> httpx.Response:
    """The successful answer with its body, or the error it stands for."""
    if response.is_success:
        try:
            response.read()
        finally:
            response.close()
        return response
    try:
        response.read()
    except httpx.RequestError:
        # Status and headers are enough to decide; the words are lost.
        response = httpx.Response(response.status_code, headers=response.headers)
    finally:
        response.close()
    raise responses.error_from(response, about_instance=about_instance)
