"""The connection to one cloud: a request, its answer and its error."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from dashboard.modelarts import responses
from dashboard.modelarts.auth import IamTokenAuth
from dashboard.modelarts.call_metrics import Call, outcome_of
from dashboard.modelarts.cloud_config import ENDPOINT_KEY, CloudConfig
from dashboard.modelarts.codes import Meaning
from dashboard.modelarts.endpoints import region_endpoint, split_endpoint
from dashboard.modelarts.errors import (
    ConfigurationError,
    InvalidInputError,
    ModelArtsError,
)
from dashboard.modelarts.messages import Problem
from dashboard.modelarts.results import record_arrival, record_departure
from dashboard.modelarts.transport_errors import error_from_failure
from dashboard.outbound.transport import deadline, open_http


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request to send.

    Attributes:
        generation: The API that the request belongs to; a ``Generation``, or the name
            of another service.
        operation: Name of the call, for metrics.
        path: Below the address of the project, or of ``service``, with its query.
        body: Sent as JSON; None for no body.
        about_instance: Whether a 404 without a code means that the instance does not
            exist.
        special: What some problems mean for this call alone.
        extensions: For httpx, such as the largest answer.
        service: Root address of another service than ModelArts. Such a request names
            the project in its body, as ``project_id``.
    """

    generation: str
    operation: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    about_instance: bool = False
    special: Mapping[Problem, Meaning] = field(default_factory=dict)
    extensions: dict[str, Any] | None = None
    service: str | None = None


class _Project(NamedTuple):
    """The project of a cloud, and the address of ModelArts without ``/v1``."""

    root: str
    id: str


class Connection:
    """A pool of connections to one cloud; thread-safe."""

    def __init__(
        self,
        config: CloudConfig,
        *,
        before_request: Callable[[], None] | None = None,
        after_call: Callable[[Call], None] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open a pool; nothing is sent yet. See ``client.ModelArtsClient``."""
        self._config = config
        self._before_request = before_request
        self._after_call = after_call
        self._project: _Project | None = None
        self._http = open_http(
            verify=config.verify,
            proxy=config.proxy,
            transport=transport,
            auth=config.auth,
            event_hooks={
                "request": [self._wait_for_limiter, record_departure],
                "response": [record_arrival],
            },
        )

    def close(self) -> None:
        self._http.close()

    def send(self, exchange: Exchange) -> httpx.Response:
        """Send one request and read its answer, all within the deadline.

        Returns:
            A successful answer with its body.

        Raises:
            ModelArtsError: Any other.
        """
        outcome = "interrupted"
        with deadline() as current:
            try:
                response = self._answer(exchange)
                outcome = "ok"
            except ModelArtsError as error:
                outcome = outcome_of(error)
                raise
            finally:
                if self._after_call is not None:
                    self._after_call(
                        Call(
                            exchange.operation,
                            outcome,
                            current.spent_seconds(),
                            exchange.generation,
                        )
                    )
        return response

    def _answer(self, exchange: Exchange) -> httpx.Response:
        try:
            project, body = self._known_project(), exchange.body
            auth = self._config.auth
            base = f"{project.root}/v1/{quote(project.id, safe='')}"
            if exchange.service is not None:
                base = exchange.service
                body = {"project_id": project.id, **(body or {})}
                if isinstance(auth, IamTokenAuth):
                    auth = auth.without_renewal()
            request = self._http.build_request(
                exchange.method,
                f"{base}{exchange.path}",
                content=None if body is None else _encoded(body),
                headers={"Content-Type": "application/json"},
                extensions=exchange.extensions,
            )
            response = self._http.send(request, stream=True, auth=auth)
            return _completed(response, exchange)
        except httpx.RequestError as failure:
            error = error_from_failure(failure)
        except httpx.InvalidURL:
            error = ConfigurationError(
                Problem.CLOUD_ADDRESS_OF_MODELARTS, {"cloud": repr(self._config.name)}
            )
        # Raised outside the handler, since httpx's error holds the request's token.
        raise error

    def _known_project(self) -> _Project:
        """Return the project and its address; sign in if only the token has them."""
        if self._project is None:
            endpoint, project_id = self._config.endpoint, self._config.project_id
            if isinstance(self._config.auth, IamTokenAuth) and not (
                endpoint and project_id
            ):
                token = self._config.auth.scope()
                endpoint = endpoint or token.endpoint
                project_id = project_id or token.project_id
            endpoint = endpoint or region_endpoint(self._config.region)
            if endpoint is None or project_id is None:
                raise _missing_address(self._config, endpoint)
            self._config.check_endpoint(endpoint)
            self._project = _Project(split_endpoint(endpoint).root, project_id)
        return self._project

    def _wait_for_limiter(self, request: httpx.Request) -> None:
        if self._before_request is not None:
            with deadline() as current, current.paused():
                self._before_request()


def id_segment(instance_id: str) -> str:
    """Return an id as the segment of a path, with its slash.

    Raises:
        InvalidInputError: No request can contain it.
    """
    if not instance_id.strip(".") or not instance_id.isprintable():
        raise InvalidInputError(Problem.BAD_ID)
    return f"/{quote(instance_id, safe='~')}"


def _missing_address(config: CloudConfig, endpoint: str | None) -> ConfigurationError:
    cloud = {"cloud": repr(config.name)}
    if endpoint is not None:
        return ConfigurationError(Problem.CLOUD_TOKEN_FOR_NO_PROJECT, cloud)
    cloud["key"] = ENDPOINT_KEY
    if not config.region:
        return ConfigurationError(Problem.CLOUD_NOT_IN_CATALOG, cloud)
    cloud["region"] = repr(config.region)
    return ConfigurationError(Problem.CLOUD_NOT_IN_REGION, cloud)


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _completed(response: httpx.Response, exchange: Exchange) -> httpx.Response:
    """Return a successful answer with its body; raise the error of any other."""
    if response.is_success:
        try:
            response.read()
        finally:
            response.close()
        return response
    try:
        response.read()
    except httpx.RequestError:
        # Status and headers are enough for the error; only its text is lost.
        response = httpx.Response(response.status_code, headers=response.headers)
    finally:
        response.close()
    raise responses.error_from(
        response, about_instance=exchange.about_instance, special=exchange.special
    )
