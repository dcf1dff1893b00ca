"""The emulated cloud as one object, for tests, the demo and the command line."""

import threading
from types import TracebackType
from typing import Self

from .app import App
from .clock import Clock
from .control import Control
from .exchange import Exchange
from .faults import FaultScript
from .fleet import Fleet
from .hostile import spoil
from .iam import Iam
from .lifecycle import Behaviour
from .log import RequestLog
from .people import (
    DOMAIN_NAME,
    MAIN_PROJECT,
    PROJECTS,
    REGION,
    SERVICE_USER,
    User,
)
from .seeding import seed_fleet
from .server import CloudServer


class Emulator:
    """A cloud on a port, with access to its parts.

    Use it as a context manager, or call start and stop. After stop the port refuses
    connections and all state is kept; start listens on the same port again.

    Args:
        fleet: Initial number of instances.
        seed: Selects the instances; also seeds the probabilities of faults.
        speed: Emulated seconds per real second.
        host: The control plane needs no sign-in: keep to loopback.
        port: 0 takes a free one.
        skew_seconds: How far the cloud's clock is ahead.
        token_seconds: Lifetime of a token, emulated seconds.
        start_ms: Initial time of the cloud's clock, Unix milliseconds; None takes the
            wall clock.
        behaviour: Choices the documents leave open.
        verbose: Write a line per request to stderr.
        hostile: Make every text of the fleet an attack (``hostile``).

    Attributes:
        clock: Move it with ``clock.advance(seconds)``.
        fleet: The notebooks of the main project.
        faults: Script them with ``faults.add(Fault(...))``.
    """

    def __init__(
        self,
        *,
        fleet: int = 60,
        seed: int = 1,
        speed: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
        skew_seconds: float = 0.0,
        token_seconds: float = 86_400,
        start_ms: int | None = None,
        behaviour: Behaviour | None = None,
        verbose: bool = False,
        hostile: bool = False,
    ) -> None:
        behaviour = behaviour or Behaviour()
        self.clock = Clock(speed=speed, skew_seconds=skew_seconds, start_ms=start_ms)
        instances = seed_fleet(fleet, seed, self.clock.now_ms())
        if hostile:
            spoil(instances)
        fleets = {
            project.id: Fleet(
                self.clock,
                behaviour,
                project.id,
                instances if project is MAIN_PROJECT else (),
            )
            for project in PROJECTS
        }
        self.fleet = fleets[MAIN_PROJECT.id]
        self.iam = Iam(self.clock, token_seconds)
        self.faults = FaultScript(seed)
        self.log = RequestLog()
        control = Control(self.clock, self.fleet, self.iam, self.faults, self.log)
        app = App(self.iam, fleets)
        self._exchange = Exchange(app, control, self.clock, self.faults, self.log)
        self._host = host
        self._port = port
        self._verbose = verbose
        self._server: CloudServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Return ``http://host:port``."""
        return f"http://{self._host}:{self._port}"

    @property
    def project_id(self) -> str:
        """Return the id of the fleet's project."""
        return MAIN_PROJECT.id

    @property
    def modelarts_url(self) -> str:
        """Return the endpoint of ModelArts, ending in ``/v1/{project_id}``."""
        return f"{self.url}/v1/{self.project_id}"

    @property
    def service_user(self) -> User:
        """Return the account that clouds_yaml signs in with."""
        return SERVICE_USER

    def land_late_writes(self) -> None:
        """Apply all writes that ``late`` faults hold back."""
        self._exchange.land_late_writes()

    def start(self) -> None:
        """Listen in a thread; return once connections are accepted.

        Raises:
            OSError: The port is taken.
        """
        server = CloudServer(
            self._host, self._port, self._exchange, verbose=self._verbose
        )
        self._port = server.server_port
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="emulator",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and break every connection."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.stop()
            thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def revoke_tokens(self) -> int:
        """Invalidate all tokens and return their number."""
        return self.iam.revoke_all()

    def clouds_yaml(self, name: str = "demo", *, signed: bool = False) -> str:
        """Return a clouds.yaml for this cloud.

        Args:
            signed: Authenticate by AK/SK instead of name and password.
        """
        user = self.service_user
        if signed:
            lines = [
                "    auth:",
                f"      auth_url: {self.url}/v3",
                f"      project_id: {self.project_id}",
                f"    ak: {user.access_key}",
                f"    sk: {user.secret_key}",
                f"    modelartsv1_endpoint_override: {self.modelarts_url}",
            ]
        else:
            lines = [
                "    auth:",
                f"      auth_url: {self.url}/v3",
                f"      username: {user.name}",
                f"      password: {user.password}",
                f"      user_domain_name: {DOMAIN_NAME}",
                f"      project_id: {self.project_id}",
                "    identity_api_version: 3",
            ]
        lines.append(f"    region_name: {REGION}")
        return "\n".join(["clouds:", f"  {name}:", *lines, ""])
