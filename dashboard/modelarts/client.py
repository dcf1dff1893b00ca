"""The client of ModelArts: both generations of its API, and the billing service."""

from collections.abc import Callable
from datetime import datetime
from typing import Self

import httpx

from dashboard.modelarts.auth import IamTokenAuth
from dashboard.modelarts.call_metrics import Call
from dashboard.modelarts.cloud_config import CloudConfig
from dashboard.modelarts.connection import Connection
from dashboard.modelarts.demanager import DemanagerApi
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.instance_api import InstanceApi
from dashboard.modelarts.notebooks import NotebooksApi
from dashboard.modelarts.ratings import RatingsApi


class ModelArtsClient:
    """A client for one cloud; its methods raise only ``errors.ModelArtsError``.

    It is thread-safe and has a pool of connections: keep one per process and cloud. A
    call is one HTTP exchange, repeated only after a refused token. It ends within
    ``transport.TOTAL_SECONDS``, without the time spent in ``before_request``.

    Attributes:
        config: The configuration that it was made from.
        demanager: The calls of the older generation.
        notebooks: The calls of the newer one.
        ratings: The prices of flavors.
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
            before_request: Called before each request to ModelArts, for a rate limiter.
                Its exceptions are passed on.
            after_call: Called after each call, whatever its outcome. It must not raise.
            transport: Replaces the network, for tests.
        """
        self.config = config
        self._connection = Connection(
            config,
            before_request=before_request,
            after_call=after_call,
            transport=transport,
        )
        self.demanager = DemanagerApi(self._connection)
        self.notebooks = NotebooksApi(self._connection)
        self.ratings = RatingsApi(self._connection, config)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def password_expires_at(self) -> datetime | None:
        """When the password expires, as the last sign-in has said; else None."""
        auth = self.config.auth
        return auth.password_expires_at if isinstance(auth, IamTokenAuth) else None

    def close(self) -> None:
        self._connection.close()

    def api(self, generation: Generation | str) -> InstanceApi:
        """Return the calls of one generation.

        Raises:
            ValueError: There is no such generation.
        """
        apis: dict[Generation, InstanceApi] = {
            Generation.DEMANAGER: self.demanager,
            Generation.NOTEBOOKS: self.notebooks,
        }
        return apis[Generation(generation)]
