from collections.abc import Iterator
from urllib.parse import urlsplit

from dashboard.config import Config
from dashboard.instances import upstream
from dashboard.instances.messages import message_of
from dashboard.modelarts.endpoints import is_loopback
from dashboard.modelarts.errors import ConfigurationError, InsecureEndpointError
from dashboard.web.stored_messages import Message

from . import messages


def unsafe_settings(config: Config, *, host: str = "localhost") -> Iterator[Message]:
    """Yield a message for each setting that is unsafe on a public site.

    Args:
        host: Address that the web server is going to listen on.
    """
    if config.debug and not (config.is_local and is_loopback(host)):
        yield messages.DEBUG_REACHABLE()
    if "*" in config.allowed_hosts and not is_loopback(host):
        yield messages.ANY_HOST()
    broker = urlsplit(config.redis_url)
    if not (broker.password or is_loopback(broker.hostname or "")):
        yield messages.BROKER_WITHOUT_PASSWORD()
    if config.uses_https and not config.trusted_proxies:
        yield messages.NO_TRUSTED_PROXY()
    yield from _unencrypted_clouds()


def _unencrypted_clouds() -> Iterator[Message]:
    try:
        names = upstream.cloud_names()
    except ConfigurationError:
        return  # the web server needs no clouds.yaml
    from dashboard.modelarts import clouds  # slow to import, see there

    for name in names:
        try:
            clouds.load_cloud(name)
        except InsecureEndpointError as error:
            yield message_of(error)
        except ConfigurationError:
            continue  # doctor and the worker report it
