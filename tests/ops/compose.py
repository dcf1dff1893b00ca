"""The services of docker-compose.yml as plain processes, where no engine runs."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from dashboard.ops.managed_process import PROJECT, ManagedProcess
from dashboard.ops.ports import free_port
from dashboard.ops.supervisor import Supervisor
from tests.servers import PASSWORD, PostgresServer, RedisServer

from .processes import answers, wait_until

BIN = Path(sys.executable).parent
DEMO = PROJECT / "deploy" / "demo.env"


def configuration(env_file: Path = DEMO) -> dict[str, Any]:
    """What Compose makes of docker-compose.yml."""
    shown = subprocess.run(
        [
            *(BIN / "docker-compose", "--env-file", env_file),
            *("--profile", "*", "config", "--format", "json"),
        ],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # What begins with $$ is the container's to expand.
    found: dict[str, Any] = json.loads(shown.replace("$$", "$"))
    return found


def image(folder: Path) -> None:
    """Put the site's files where the Dockerfile puts them, and run its last step."""
    text = (PROJECT / "Dockerfile").read_text().replace("\\\n", "")
    stage = text.partition(" AS site\n")[2].partition("\nFROM ")[0]
    for sources in re.findall(r"^COPY (?!--)(.+) \S+$", stage, re.M):
        for source in map(PROJECT.joinpath, sources.split()):
            target = folder / source.name
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
    (step,) = re.findall(r"^RUN (.+)$", stage, re.M)
    subprocess.run(
        ["sh", "-c", step],
        cwd=folder,
        env={"PATH": f"{BIN}:/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )


class ComposedStack:
    """The demo profile, with PostgreSQL and Redis of this machine.

    Commands and environments are those of docker-compose.yml; only what a container
    has for itself is replaced: host names, ports and the folder of secrets.

    Attributes:
        url: Of the web server.
        secrets: By name, as the files hold them.
    """

    def __init__(
        self, folder: Path, *, postgres: PostgresServer, redis: RedisServer
    ) -> None:
        self.folder = folder
        self.app = folder / "app"
        self.app.mkdir()
        image(self.app)
        services = configuration()["services"]
        self.web_port, cloud_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.web_port}"
        self.cloud = httpx.Client(
            base_url=f"http://127.0.0.1:{cloud_port}/_emulator/", trust_env=False
        )
        self._make_secrets(postgres, redis, cloud_port)
        own = {
            "/run/secrets/": f"{folder / 'secrets'}/",
            "0.0.0.0": "127.0.0.1",  # noqa: S104 (taken away)
        }
        ports = {"8000": str(self.web_port), "8900": str(cloud_port)}
        self.inside: dict[str, list[str]] = {}
        self.commands: dict[str, list[str]] = {}
        for name, service in services.items():
            if service["image"] != "curfew":
                continue
            environment = service.get("environment") or {}
            command = [ports.get(part, part) for part in service["command"]]
            self.inside[name] = [
                *("env", "--chdir", str(self.app), "--ignore-environment"),
                f"PATH={BIN}:/usr/bin:/bin",
                f"HOME={self.app}",
                *(
                    f"{key}={_replaced(value, own)}"
                    for key, value in environment.items()
                ),
            ]
            self.commands[name] = [_replaced(part, own) for part in command]
        self.children = {
            name: ManagedProcess(
                name=name,
                command=[*self.inside[name], *command],
                log_path=folder / f"{name}.log",
                pid_path=folder / f"{name}.pid",
            )
            for name, command in self.commands.items()
            if name != "migrate"
        }

        # "restart: unless-stopped": a worker that loses its broker may end.
        self.restarts: list[str] = []
        self._enough = threading.Event()
        self._supervisor = Supervisor(
            say=self.restarts.append, stop_asked=self._enough.is_set
        )
        self._watch = threading.Thread(target=self._supervisor.run)

    def start(self) -> None:
        """Migrate, then start every service and wait until the site is ready."""
        self.run("migrate")
        for child in self.children.values():
            self._supervisor.start(child)
        self._watch.start()
        wait_until(self.is_ready, seconds=90)

    def stop(self) -> None:
        """End every process, web and workers in order."""
        self._enough.set()
        if self._watch.is_alive():
            self._watch.join()
        self._supervisor.stop()
        self.cloud.close()

    def run(self, service: str, *command: str, typed: str = "") -> str:
        """Run a service's command, or another in its place, to its end."""
        ended = self.try_run(service, *command, typed=typed)
        shown = f"{ended.stdout}{ended.stderr}"
        assert ended.returncode == 0, f"{shlex.join(ended.args)}: {shown}"
        return ended.stdout

    def try_run(
        self, service: str, *command: str, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """The same for a command that may fail."""
        given = [*self.inside[service], *(command or self.commands[service])]
        return subprocess.run(
            given, input=typed, capture_output=True, text=True, check=False
        )

    def is_ready(self) -> bool:
        """Whether database, broker and mirror are well."""
        return answers(f"{self.url}/readyz")

    def log(self, name: str) -> list[str]:
        """The lines a service has written, those begun left out."""
        text = self.children[name].log_path.read_text()
        return text.rpartition("\n")[0].splitlines()

    def _make_secrets(
        self, postgres: PostgresServer, redis: RedisServer, cloud_port: int
    ) -> None:
        folder = self.folder / "secrets"
        folder.mkdir()
        (folder / "redis_url").write_text(redis.url)
        clouds = (PROJECT / "deploy" / "demo-clouds.yaml").read_text()
        (folder / "clouds.yaml").write_text(
            clouds.replace("emulator:8900", f"127.0.0.1:{cloud_port}")
        )
        subprocess.run([PROJECT / "deploy" / "make-secrets", folder], check=True)
        for name in ("database_url", "owner_database_url"):
            text = (folder / name).read_text()
            (folder / name).unlink()
            own = text.replace("postgres:5432", f"127.0.0.1:{postgres.port}")
            (folder / name).write_text(own)
        init_database(postgres, folder)
        texts = {
            path.name: path.read_text().strip()
            for path in folder.iterdir()
            if path.name != "clouds.yaml"
        }
        self.secrets = {name: text for name, text in texts.items() if text}


def init_database(postgres: PostgresServer, secrets: Path) -> None:
    """Do what PostgreSQL's image does with our script on an empty volume.

    Args:
        postgres: Its superuser is ``postgres``.
        secrets: The folder that ``make-secrets`` has filled.
    """
    subprocess.run(
        [PROJECT / "deploy" / "init-database.sh"],
        env={
            "PATH": os.environ["PATH"],
            "SECRETS": str(secrets),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(postgres.port),
            "PGPASSWORD": PASSWORD,
        },
        check=True,
        capture_output=True,
    )


def _replaced(text: str, own: Mapping[str, str]) -> str:
    for theirs, ours in own.items():
        text = text.replace(theirs, ours)
    return text
