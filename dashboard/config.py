"""Every setting that comes from the environment: its type, unit and default.

Where the clouds are and how to sign in to them is not here: that is read from
``clouds.yaml``, ``secure.yaml`` and ``OS_*`` by ``modelarts.clouds``, with the rules of
the ``openstack`` client.
"""

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
        database_url: ``sqlite:///path`` (relative to the project) or ``postgres://…``.
        redis_url: Broker and locks; the cache uses the next database number.
        clouds: Names of the clouds that form the fleet; empty means ``OS_CLOUD``, else
            every cloud in the file.
        refresh_seconds: Age in seconds after which the mirror of a cloud is refreshed.
        upstream_rate: Requests per second to one cloud, all processes together.
        edit_deadline_seconds: How long an edit is retried before it is failed.
    """

    model_config = SettingsConfigDict(env_prefix="CURFEW_", extra="ignore")

    secret_key: Annotated[SecretStr, Field(min_length=32)]
    debug: bool = False
    allowed_hosts: CommaList = ["localhost", "127.0.0.1"]
    csrf_trusted_origins: CommaList = []
    database_url: Annotated[str, AfterValidator(_database_url)] = (
        "sqlite:///var/curfew.sqlite3"
    )
    redis_url: Annotated[str, AfterValidator(_redis_url)]
    clouds: CommaList = []
    refresh_seconds: Annotated[float, Field(ge=1, le=3_600)] = 30
    upstream_rate: Annotated[float, Field(gt=0, le=1_000)] = 10
    edit_deadline_seconds: Annotated[int, Field(ge=10, le=86_400)] = 900

    @classmethod
    def from_environment(cls) -> Self:
        """Read and check the environment.

        Raises:
            SystemExit: A value is missing or wrong. The message has one sentence per
                fault, each naming its variable and never a secret's value.
        """
        try:
            return cls()
        except ValidationError as error:
            raise SystemExit("\n".join(_sentences(error))) from None


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
        variable = f"CURFEW_{field.upper()}"
        if fault["type"] == "missing":
            sentences.append(f"{variable} is not set: {_HELP[field]}.")
        else:
            reason = fault["msg"].removeprefix("Value error, ")
            if field == "secret_key":
                reason = _HELP[field]
            sentences.append(f"{variable} is wrong: {reason}.")
    return sentences
