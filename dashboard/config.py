"""Every setting from the environment: its type, unit and default.

``modelarts.clouds`` reads the clouds and their credentials from ``clouds.yaml``,
``secure.yaml`` and ``OS_*``, by the rules of the ``openstack`` client.
"""

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dashboard import config_checks
from dashboard.modelarts.endpoints import is_loopback
from dashboard.paths import MANAGE_NAME

PREFIX = "CURFEW_"
SECRETS = (
    *("secret_key", "database_url", "redis_url", "metrics_token"),
    *("oidc_client_secret", "mail_url", "cloud_proxy"),
)
"""A file can contain these settings; its path is in ``CURFEW_<NAME>_FILE``."""


CommaList = Annotated[list[str], NoDecode, BeforeValidator(config_checks.split)]


class Config(BaseSettings):
    """The environment, read once at the start of a process.

    ``docs/settings.md`` describes each variable.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")
    # Django's settings ask each value for it, and pydantic takes long to say no.
    _mask_wrapped: ClassVar = True

    secret_key: Annotated[SecretStr, AfterValidator(config_checks.secret_key)]
    debug: bool = False
    allowed_hosts: Annotated[CommaList, AfterValidator(config_checks.allowed_hosts)] = [
        "localhost",
        "127.0.0.1",
    ]
    csrf_trusted_origins: Annotated[
        CommaList, AfterValidator(config_checks.origins)
    ] = []
    https: bool | None = None
    url: Annotated[str, AfterValidator(config_checks.site_url)] = ""
    hsts_subdomains: bool = True
    hsts_preload: bool = False
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    database_url: Annotated[
        str, AfterValidator(config_checks.database_url), Field(repr=False)
    ] = "sqlite:///var/curfew.sqlite3"
    redis_url: Annotated[
        str, AfterValidator(config_checks.redis_url), Field(repr=False)
    ]
    data_dir: Annotated[Path | None, BeforeValidator(config_checks.data_dir)] = None
    clouds: CommaList = []
    cloud_proxy: Annotated[SecretStr, AfterValidator(config_checks.proxy_url)] = (
        SecretStr("")
    )
    cloud_grace_hours: Annotated[float, Field(ge=0, le=8_760)] = 24
    refresh_seconds: Annotated[float, Field(ge=1, le=3_600)] = 30
    upstream_rate: Annotated[float, Field(gt=0, le=1_000)] = 10
    edit_deadline_seconds: Annotated[int, Field(ge=10, le=86_400)] = 900
    overdue_after_minutes: Annotated[int, Field(ge=0, le=60)] = 5
    late_stop_minutes: Annotated[int, Field(ge=1, le=240)] = 10
    silence_minutes: Annotated[int, Field(ge=0, le=1_440)] = 15
    escalation_minutes: Annotated[int, Field(ge=0, le=240)] = 15
    policy_warning_minutes: Annotated[
        list[int],
        NoDecode,
        BeforeValidator(config_checks.split),
        AfterValidator(config_checks.lead_times),
    ] = [60, 15]
    schedule_catch_up_minutes: Annotated[int, Field(ge=0, le=1_440)] = 30
    report_time_zone: Annotated[str, AfterValidator(config_checks.time_zone)] = "UTC"
    savings_max_hours: Annotated[float, Field(gt=0, le=168)] = 16
    metrics_token: SecretStr = SecretStr("")
    writes_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 600
    previews_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 30
    bulk_confirm_above: Annotated[int, Field(ge=0, le=1_000_000)] = 25
    bulk_approval_above: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    polls_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 6_000
    downloads_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 20
    token_days: Annotated[int, Field(ge=1, le=365)] = 90
    api_requests_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 300
    wall_requests_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 240
    session_idle_minutes: Annotated[int, Field(ge=5, le=1_440)] = 60
    session_hours: Annotated[int, Field(ge=1, le=168)] = 12
    second_factor_roles: Annotated[
        CommaList, AfterValidator(config_checks.role_names)
    ] = []
    mail_url: Annotated[SecretStr, AfterValidator(config_checks.mail_url)] = SecretStr(
        ""
    )
    mail_from: Annotated[
        str, AfterValidator(config_checks.mail_from), Field(validate_default=True)
    ] = ""
    mail_starttls: Annotated[bool, AfterValidator(config_checks.mail_starttls)] = True
    webhook_hosts: Annotated[
        CommaList, AfterValidator(config_checks.webhook_hosts)
    ] = []
    oidc_issuer: Annotated[str, AfterValidator(config_checks.issuer)] = ""
    oidc_client_id: Annotated[
        str, AfterValidator(config_checks.with_issuer), Field(validate_default=True)
    ] = ""
    oidc_client_secret: Annotated[
        SecretStr,
        AfterValidator(config_checks.with_issuer),
        Field(validate_default=True),
    ] = SecretStr("")
    oidc_name: Annotated[str, Field(max_length=40)] = "single sign-on"
    oidc_scopes: CommaList = ["openid", "profile", "email"]
    oidc_username_claim: str = "preferred_username"
    oidc_role_claim: str = "groups"
    oidc_roles: Annotated[
        dict[str, str],
        NoDecode,
        BeforeValidator(config_checks.pairs),
        AfterValidator(config_checks.roles),
    ] = {}
    oidc_default_role: Literal["", "viewer"] = ""
    oidc_cloud_user_claim: str = ""

    @property
    def is_local(self) -> bool:
        """Return whether this site only answers to names of this machine."""
        return all(is_loopback(host) for host in self.allowed_hosts)

    @property
    def uses_https(self) -> bool:
        """Return whether pages and cookies require https: everywhere but locally."""
        return not self.is_local if self.https is None else self.https

    @property
    def site_url(self) -> str:
        """Return the public URL without a slash at the end."""
        if self.url:
            return self.url
        named = [host for host in self.allowed_hosts if not host.startswith(("*", "."))]
        remote = [host for host in named if not is_loopback(host)]
        scheme = "https" if self.uses_https else "http"
        return f"{scheme}://{(remote or named or ['localhost'])[0]}"

    @property
    def path_prefix(self) -> str:
        """Return the path of ``CURFEW_URL``, such as ``/curfew``; empty without one."""
        return urlsplit(self.url).path

    @property
    def origin(self) -> str:
        """Return the public URL without a path: what precedes a reversed URL."""
        return self.site_url.removesuffix(self.path_prefix)

    @property
    def cloud_proxy_url(self) -> str | None:
        return self.cloud_proxy.get_secret_value() or None

    @classmethod
    def from_environment(cls) -> Self:
        """Read and check the environment.

        Raises:
            SystemExit: A value is missing or wrong. The message has a sentence per
                error, each naming its variable and never the value of a secret.
        """
        secrets = _read_secret_files()
        try:
            return cls(_env_file=_settings_file(), **secrets)
        except ValidationError as error:
            raise SystemExit("\n".join(_sentences(error))) from None


def _settings_file() -> Path | None:
    """Return the file with further settings; the environment wins."""
    folder = os.environ.get(f"{PREFIX}DATA_DIR")
    return Path(folder) / "settings.env" if folder else None


def _read_secret_files() -> dict[str, Any]:
    """Return the secrets from files by field.

    Raises:
        SystemExit: A file cannot be read, or the variable is set, too.
    """
    values: dict[str, Any] = {}
    faults = []
    for field in SECRETS:
        variable = f"{PREFIX}{field.upper()}"
        path = os.environ.get(f"{variable}_FILE")
        if not path:
            continue
        if os.environ.get(variable):
            faults.append(f"{variable} and {variable}_FILE are both set; remove one.")
            continue
        try:
            values[field] = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not a text file"
            faults.append(
                f"{variable}_FILE is wrong: {path} cannot be read ({reason})."
            )
    if faults:
        raise SystemExit("\n".join(faults))
    return values


_HELP = {
    "secret_key": "use a random text of at least 50 characters",
    "redis_url": (
        "use the URL of a Redis server, such as redis://localhost:6379/0 "
        f"(`{MANAGE_NAME} serve` and `{MANAGE_NAME} demo` bring their own)"
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
