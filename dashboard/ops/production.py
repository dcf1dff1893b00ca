from collections.abc import Iterator
from urllib.parse import urlsplit

from dashboard.config import Config
from dashboard.instances import upstream
from dashboard.modelarts import clouds
from dashboard.modelarts.endpoints import is_loopback
from dashboard.modelarts.errors import ConfigurationError, InsecureEndpointError


def unsafe_settings(config: Config, *, host: str = "localhost") -> Iterator[str]:
    """Yield a sentence for each setting that is unsafe on a public site.

    Args:
        host: Address that the web server is going to listen on.
    """
    if config.debug and not (config.is_local and is_loopback(host)):
        yield (
            "CURFEW_DEBUG is on, and others can reach this site: its error pages would "
            "show them internals. Turn it off."
        )
    if "*" in config.allowed_hosts and not is_loopback(host):
        yield (
            "CURFEW_ALLOWED_HOSTS is *, so anybody can name the host that this site "
            "takes itself for. List the names that people use."
        )
    broker = urlsplit(config.redis_url)
    if not (broker.password or is_loopback(broker.hostname or "")):
        yield (
            "CURFEW_REDIS_URL has no password, and its server is on another machine: "
            "whoever reaches it could queue tasks. Give the server a password "
            "(requirepass) and write redis://:password@host:6379/0."
        )
    if config.uses_https and not config.trusted_proxies:
        yield (
            "People shall come by https, but no proxy is trusted to say that a request "
            "did: each would be redirected for ever. Set CURFEW_TRUSTED_PROXIES to the "
            "number of proxies in front, or CURFEW_HTTPS=false in a network where "
            "nobody can listen."
        )
    yield from _clouds_in_clear()


def _clouds_in_clear() -> Iterator[str]:
    try:
        names = upstream.cloud_names()
    except ConfigurationError:
        return  # the web server needs no clouds.yaml
    for name in names:
        try:
            clouds.load_cloud(name)
        except InsecureEndpointError as error:
            yield error.sentence
        except ConfigurationError:
            continue  # doctor says so, and the worker
