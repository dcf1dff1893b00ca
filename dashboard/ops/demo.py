"""The demo: a stack with an emulated cloud, started by one command.

``prepare_environment`` runs before Django reads its settings, the rest after. Nothing
here is fit for production, and ``manage.py serve`` uses none of it.
"""

import argparse
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from dashboard.config import SECRETS
from dashboard.paths import MANAGE_NAME, VAR

from . import broker, stack
from .data_directory import StartError
from .demo_files import DemoFiles
from .ports import LOOPBACK, free_port
from .stack import ANY_ADDRESS, Stack, answering, between, in_url, site_address
from .supervisor import Supervisor

STARTED = time.monotonic()
PASSWORD = "curfew-demo"  # noqa: S105 (published on purpose)
NOT_FOR_THE_DEMO = (
    *("CURFEW_CLOUDS", "CURFEW_DEBUG", "CURFEW_CSRF_TRUSTED_ORIGINS"),
    *("CURFEW_METRICS_TOKEN", "CURFEW_TRUSTED_PROXIES"),
    *("CURFEW_OIDC_ISSUER", "CURFEW_MAIL_URL", "CURFEW_MAIL_STARTTLS"),
    *("CURFEW_CLOUD_PROXY", "CURFEW_WEBHOOK_HOSTS"),
    *(f"CURFEW_{field.upper()}_FILE" for field in SECRETS),
)


@dataclass(frozen=True)
class Person:
    name: str
    role: str
    can: str
    cloud_users: tuple[str, ...] = ()


PEOPLE = (
    Person("ada", "admin", "manages all instances and people"),
    Person("oskar", "operator", "manages all instances"),
    Person(
        "anna", "scientist", "manages the instances of anna.schmidt", ("anna.schmidt",)
    ),
    Person("li", "scientist", "manages the instances of li.wei", ("li.wei",)),
    Person("mira", "manager", "can view everything, also the audit trail"),
    Person("vera", "viewer", "can view everything"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    stack.add_arguments(parser, data_dir=VAR / "demo")
    parser.add_argument(
        "--fleet",
        type=between(0, 10_000),
        default=80,
        metavar="N",
        help="instances in the emulated cloud (%(default)s)",
    )
    parser.add_argument(
        "--notebooks",
        type=between(0, 100),
        default=50,
        metavar="PERCENT",
        help="share of them in the newer generation of the API (%(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the random fleet (%(default)s)"
    )
    parser.add_argument(
        "--speed",
        type=_factor,
        default=1.0,
        metavar="X",
        help="speed of the emulated cloud's clock (%(default)s)",
    )
    parser.add_argument(
        "--working-day",
        type=between(2, 120),
        nargs="?",
        const=10,
        metavar="MINUTES",
        help="add schedules that act within minutes, so that a whole working day "
        "happens before your eyes (10 without a number)",
    )
    parser.add_argument(
        "--hostile",
        action="store_true",
        help="fill all texts of the emulated cloud with attacks, for tests",
    )


def _factor(text: str) -> float:
    factor = float(text)
    if not 0 < factor <= 10_000:
        raise argparse.ArgumentTypeError("must be above 0 and at most 10000")
    return factor


def prepare_environment(arguments: Sequence[str]) -> None:
    """Set the environment of the demo for this process and all it starts.

    Call it before Django's settings are read. Ends the process for ``--help`` and, with
    a sentence, for invalid options.

    Args:
        arguments: The command line behind ``demo``.
    """
    parser = argparse.ArgumentParser(
        prog=f"{MANAGE_NAME} demo", description="Run Curfew with an emulated cloud."
    )
    add_arguments(parser)
    # Django parses its own options (--verbosity …).
    options, _ = parser.parse_known_args(arguments)
    files = DemoFiles(options.data_dir.resolve())
    try:
        files.create()
    except StartError as error:
        raise SystemExit(str(error)) from None
    # Credentials and names of real clouds must not reach the demo.
    for name in [name for name in os.environ if name.startswith("OS_")]:
        del os.environ[name]
    for name in NOT_FOR_THE_DEMO:
        os.environ.pop(name, None)
    hosts = (
        "*"
        if options.host in ANY_ADDRESS
        else f"localhost,{LOOPBACK},{in_url(options.host)}"
    )
    os.environ |= {
        "CURFEW_DATA_DIR": str(files.folder),
        "CURFEW_SECRET_KEY": secrets.token_urlsafe(48),
        "CURFEW_DATABASE_URL": f"sqlite:///{files.database}",
        "CURFEW_REDIS_URL": broker.url(free_port(), secrets.token_urlsafe(24)),
        "CURFEW_ALLOWED_HOSTS": hosts,
        "CURFEW_HTTPS": "false",
        "CURFEW_URL": site_address(options.host, options.port),
        "OS_CLIENT_CONFIG_FILE": str(files.clouds),
        "OS_CLIENT_SECURE_FILE": str(files.secure),
    }
    os.environ.setdefault("CURFEW_REFRESH_SECONDS", "5")


class Demo(Stack):
    """A stack with an emulated cloud."""

    files: DemoFiles

    def __init__(
        self,
        *,
        files: DemoFiles,
        supervisor: Supervisor,
        options: argparse.Namespace,
        broker_url: str,
    ) -> None:
        super().__init__(
            files=files, supervisor=supervisor, options=options, broker_url=broker_url
        )
        self.options = options
        self.emulator_port = free_port()
        self.emulator = self.child(
            "emulator",
            "-m",
            "dashboard.emulator",
            *("--port", str(self.emulator_port)),
            *("--fleet", str(options.fleet)),
            *("--notebooks", str(options.notebooks)),
            *("--seed", str(options.seed)),
            *("--speed", str(options.speed)),
            *("--clouds-file", str(self.files.clouds)),
            *(["--hostile"] if options.hostile else []),
        )

    def forget_earlier_run(self) -> None:
        super().forget_earlier_run()
        self.emulator.reap()
        self.files.clear()

    def start_emulator(self) -> None:
        self.supervisor.start(self.emulator, is_backing=True)

    def wait_for_emulator(self) -> None:
        """Wait until the emulated cloud answers and has written its clouds.yaml."""
        answers = answering(f"http://{LOOPBACK}:{self.emulator_port}/v3")
        self.supervisor.wait_for(
            self.emulator,
            lambda: self.files.clouds.stat().st_size > 0 and answers(),
            seconds=60,
        )

    def stop_half_of_the_fleet(self) -> None:
        """Stop every second running instance, past all rules: it is night."""
        with self._control_plane() as cloud:
            instances = cloud.get("instances").raise_for_status().json()
            running = [item for item in instances if item["status"] == "RUNNING"]
            for item in running[::2]:
                changed = cloud.post(
                    f"instances/{item['id']}", json={"status": "STOPPED"}
                )
                changed.raise_for_status()

    def run_starts(self) -> dict[str, int | None]:
        """Return when each run began, by the cloud's ID, Unix **ms**.

        The cloud's API does not tell it of all of them.
        """
        with self._control_plane() as cloud:
            listings = [cloud.get(name) for name in ("instances", "notebooks")]
        return {
            item["id"]: item["run_started_ms"]
            for listing in listings
            for item in listing.raise_for_status().json()
        }

    def _control_plane(self) -> httpx.Client:
        url = f"http://{LOOPBACK}:{self.emulator_port}/_emulator/"
        return httpx.Client(base_url=url, timeout=10, trust_env=False)


def summary(demo: Demo, wallboard_url: str, timetable: str = "") -> str:
    """Return the URLs and the accounts, in a box, and the working day."""
    rows = [
        ("name", "password", "role", ""),
        *((person.name, PASSWORD, person.role, person.can) for person in PEOPLE),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    text = [
        f"Curfew is ready: {demo.address}",
        "",
        *table,
        "",
        f"Started in {time.monotonic() - STARTED:.0f} s.  Press Ctrl-C to stop.",
    ]
    width = max(map(len, text))
    return "\n".join(
        [
            "",
            f"╭─{'─' * width}─╮",
            *(f"│ {line.ljust(width)} │" for line in text),
            f"╰─{'─' * width}─╯",
            f"Logs: {demo.files.logs}",
            f"Wallboard: {wallboard_url}",
            *(["Working day:", timetable] if timetable else []),
            "",
        ]
    )
