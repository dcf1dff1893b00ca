"""The emulated cloud, for tests, the demo and the command line."""

import threading
from typing import Self

import yaml

from .app import App
from .behavior import Behavior
from .clock import Clock
from .control import Control
from .exchange import Exchange
from .faults import FaultScript
from .fleet import Fleet
from .hostile import spoil, spoil_notebooks
from .iam import Iam
from .journal import Journal, StatusChange
from .log import RequestLog
from .notebooks import NotebookFleet
from .notebooks.seeding import seed_notebooks
from .people import (
    DOMAIN_NAME,
    MAIN_PROJECT,
    PROJECTS,
    REGION,
    SERVICE_USER,
)
from .seeding import seed_fleet
from .server import CloudServer


class Emulator:
    """A cloud on a port, with access to its parts.

    Use it as a context manager, or call ``start`` and ``stop``. ``stop`` keeps the
    state, and ``start`` listens on the same port again.

    Args:
        fleet: Initial number of instances, of both generations.
        notebooks: How many of them are notebooks: a number, or a share as a float.
        seed: Selects the instances; also seeds the probabilities of faults.
        speed: Emulated seconds per real second.
        host: Use loopback, since the control plane needs no sign-in.
        port: 0 takes a free one.
        skew_seconds: How far the cloud's clock is ahead.
        token_seconds: Lifetime of a token, emulated seconds.
        start_ms: Initial time of the cloud's clock, Unix milliseconds; None takes the
            wall clock.
        behavior: Choices that the documents leave open. Without ``served`` the cloud
            serves the generations that have instances.
        verbose: Write a line per request to stderr.
        hostile: Make every text of the fleet an attack (see ``hostile``).

    Attributes:
        clock: Move it with ``clock.advance(seconds)``.
        behavior: The choices; they may be changed at any time.
        fleet: The instances of the demanager generation, in the main project.
        notebooks: The notebooks, in the main project.
        faults: Script them with ``faults.add(Fault(...))``.
        project_id: Project of the fleet.
        service_user: The account in ``clouds_yaml``.
    """

    project_id = MAIN_PROJECT.id
    service_user = SERVICE_USER

    def __init__(
        self,
        *,
        fleet: int = 60,
        notebooks: float = 0,
        seed: int = 1,
        speed: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
        skew_seconds: float = 0.0,
        token_seconds: float = 86_400,
        start_ms: int | None = None,
        behavior: Behavior | None = None,
        verbose: bool = False,
        hostile: bool = False,
    ) -> None:
        self.behavior = behavior = behavior or Behavior()
        if isinstance(notebooks, float):
            notebooks = round(fleet * notebooks)
        if behavior.served is None:
            only = "notebooks" if notebooks >= fleet > 0 else "both"
            behavior.change({"served": only if notebooks else "demanager"})
        self.clock = Clock(speed=speed, skew_seconds=skew_seconds, start_ms=start_ms)
        now_ms = self.clock.now_ms()
        instances = seed_fleet(fleet - int(notebooks), seed, now_ms)
        seeded = seed_notebooks(int(notebooks), seed, now_ms)
        if hostile:
            spoil(instances)
            spoil_notebooks(seeded, first=len(instances))
        self._journal = Journal()
        fleets = {
            project.id: Fleet(
                self.clock,
                behavior,
                project.id,
                instances if project is MAIN_PROJECT else (),
                self._journal,
            )
            for project in PROJECTS
        }
        notebook_fleets = {
            project.id: NotebookFleet(
                self.clock,
                behavior,
                seeded if project is MAIN_PROJECT else (),
                self._journal,
            )
            for project in PROJECTS
        }
        self._fleets: tuple[Fleet | NotebookFleet, ...] = (
            *fleets.values(),
            *notebook_fleets.values(),
        )
        self.fleet = fleets[MAIN_PROJECT.id]
        self.notebooks = notebook_fleets[MAIN_PROJECT.id]
        self.iam = Iam(self.clock, token_seconds)
        self.faults = FaultScript(seed)
        self.log = RequestLog()
        control = Control(
            self.clock,
            behavior,
            self.fleet,
            self.notebooks,
            self.iam,
            self.faults,
            self.log,
            self.journal,
        )
        app = App(self.iam, fleets, notebook_fleets, behavior)
        self._exchange = Exchange(app, control, self.clock, self.faults, self.log)
        self._host = host
        self._port = port
        self._verbose = verbose
        self._server: CloudServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address, ``http://host:port``."""
        return f"http://{self._host}:{self._port}"

    @property
    def modelarts_url(self) -> str:
        """The endpoint of ModelArts, ending in ``/v1/{project_id}``."""
        return f"{self.url}/v1/{self.project_id}"

    def journal(
        self, *, instance_id: str | None = None, after: int = 0
    ) -> list[StatusChange]:
        """Return the changes of status since the start, by their moment.

        It is complete up to now: changes that are due are carried out first.

        Args:
            instance_id: Only those of this instance.
            after: Only those with a greater number.
        """
        for fleet in self._fleets:
            fleet.catch_up()
        return self._journal.changes(instance_id=instance_id, after=after)

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

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def clouds_yaml(self, name: str = "demo", *, signed: bool = False) -> str:
        """Return a clouds.yaml for this cloud.

        Args:
            signed: Authenticate by AK/SK instead of name and password.
        """
        user = self.service_user
        auth = {"auth_url": f"{self.url}/v3", "project_id": self.project_id}
        cloud: dict[str, object] = {"auth": auth}
        if signed:
            cloud |= {
                "ak": user.access_key,
                "sk": user.secret_key,
                "modelartsv1_endpoint_override": self.modelarts_url,
            }
        else:
            auth |= {
                "username": user.name,
                "password": user.password,
                "user_domain_name": DOMAIN_NAME,
            }
            cloud["identity_api_version"] = 3
        if self.behavior.serves("notebooks"):
            huawei = self.behavior.is_huawei
            cloud |= {
                "modelarts_max_run_hours": self.behavior.longest_run_ms // 3_600_000,
                "modelarts_no_auto_stop": huawei,
                "modelarts_tags": huawei,
                "modelarts_notebook_hosts": "*.example.com",
            }
        if self.behavior.is_huawei:
            cloud["bss_endpoint_override"] = self.url
        cloud["region_name"] = REGION
        return yaml.safe_dump({"clouds": {name: cloud}}, sort_keys=False)
