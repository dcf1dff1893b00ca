"""Every setting that comes from the environment: its type, unit and default.

Where the clouds are and how to sign in to them is not here: that is read from
``clouds.yaml``, ``secure.yaml`` and ``OS_*`` by ``modelarts.clouds``, with the rules of
the ``openstack`` client.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dashboard.modelarts.endpoints import is_loopback

PREFIX = "CURFEW_"
SECRETS = ("secret_key", "database_url", "redis_url", "metrics_token")
"""Settings that may be given by a file, whose path is in ``CURFEW_<NAME>_FILE``."""


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _database_url(value: str) -> str:
    if urlsplit(value).scheme not in {"sqlite", "postgres", "postgresql"}:
        raise ValueError(
            "must start with sqlite:/// or postgres://, "
            "for example postgres://curfew:secret@localhost/curfew"
        )
    return value


def _redis_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise ValueError("must look like redis://localhost:6379/0")
    if parts.path.strip("/") and not parts.path.strip("/").isdigit():
        raise ValueError("must end in the number of a database, as in …:6379/0")
    return value


CommaList = Annotated[list[str], NoDecode, BeforeValidator(_split)]


class Config(BaseSettings):
    """The environment, read once at the start of a process.

    Source: DESIGN, part 1.2 (see ``docs/settings.md``).

    Attributes:
        secret_key: Django's secret key, at least 32 characters.
        debug: Whether error pages show internals. Never in production.
        allowed_hosts: Host names this site answers to.
        csrf_trusted_origins: Origins (``https://…``) allowed to post forms.
        https: Whether people reach this site by https only; see ``uses_https``.
        trusted_proxies: How many proxies stand between them and us, whose word on
            scheme and address is taken.
        database_url: ``sqlite:///path`` (relative to the project) or ``postgres://…``.
        redis_url: Broker and locks; the cache uses the next database number.
        clouds: Names of the clouds that form the fleet; empty means ``OS_CLOUD``, else
            every cloud in the file.
        refresh_seconds: Age in seconds after which the mirror of a cloud is refreshed.
        upstream_rate: Requests per second to one cloud, all processes together.
        edit_deadline_seconds: How long an edit is retried before it is failed.
        metrics_token: What ``/metrics`` asks for as a bearer token; empty: it answers
            direct requests from private addresses only.
        writes_per_minute: How many forms one person may send; 0 for any number.
        polls_per_minute: The same for what open pages ask by themselves.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    secret_key: Annotated[SecretStr, Field(min_length=32)]
    debug: bool = False
    allowed_hosts: CommaList = ["localhost", "127.0.0.1"]
    csrf_trusted_origins: CommaList = []
    https: bool | None = None
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    database_url: Annotated[str, AfterValidator(_database_url), Field(repr=False)] = (
        "sqlite:///var/curfew.sqlite3"
    )
    redis_url: Annotated[str, AfterValidator(_redis_url), Field(repr=False)]
    clouds: CommaList = []
    refresh_seconds: Annotated[float, Field(ge=1, le=3_600)] = 30
    upstream_rate: Annotated[float, Field(gt=0, le=1_000)] = 10
    edit_deadline_seconds: Annotated[int, Field(ge=10, le=86_400)] = 900
    metrics_token: SecretStr = SecretStr("")
    writes_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 600
    polls_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 6_000

    @property
    def is_local(self) -> bool:
        """Whether this site answers to names of this machine only."""
        return all(is_loopback(host) for host in self.allowed_hosts)

    @property
    def uses_https(self) -> bool:
        """Whether pages and cookies go over https only: everywhere but at home."""
        return not self.is_local if self.https is None else self.https

    @classmethod
    def from_environment(cls) -> Self:
        """Read and check the environment.

        Raises:
            SystemExit: A value is missing or wrong. The message has one sentence per
                fault, each naming its variable and never a secret's value.
        """
        held = _read_secret_files()
        try:
            return cls(**held)
        except ValidationError as error:
            raise SystemExit("\n".join(_sentences(error))) from None


def _read_secret_files() -> dict[str, Any]:
    """The secrets that files hold, by field.

    Raises:
        SystemExit: One cannot be had, or is given in both ways.
    """
    held: dict[str, Any] = {}
    faults = []
    for field in SECRETS:
        variable = f"{PREFIX}{field.upper()}"
        path = os.environ.get(f"{variable}_FILE")
        if not path:
            continue
        if os.environ.get(variable):
            faults.append(
                f"{variable} and {variable}_FILE are both set: take one away."
            )
            continue
        try:
            held[field] = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            faults.append(
                f"{variable}_FILE is wrong: {path} cannot be read ({reason})."
            )
    if faults:
        raise SystemExit("\n".join(faults))
    return held


_HELP = {
    "secret_key": "a random text of at least 32 characters is needed",
    "redis_url": (
        "the address of a Redis server is needed, for example redis://localhost:6379/0 "
        "(only `manage.py demo` brings its own)"
    ),
}


def _sentences(error: ValidationError) -> list[str]:
    sentences = []
    for fault in error.errors(include_input=False, include_url=False):
        field = str(fault["loc"][0])
        variable = f"{PREFIX}{field.upper()}"
        if fault["type"] == "missing":
            sentences.append(f"{variable} is not set: {_HELP[field]}.")
        else:
            reason = fault["msg"].removeprefix("Value error, ")
            if field == "secret_key":
                reason = _HELP[field]
            sentences.append(f"{variable} is wrong: {reason}.")
    return sentences
