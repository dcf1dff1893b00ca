from typing import NamedTuple

import redis
from celery import current_app
from django.conf import settings

REDIS_SECONDS = 0.5


class Queues(NamedTuple):
    """The queues of the broker.

    Attributes:
        waiting: Number of waiting messages, by queue.
        unacknowledged: Number of messages that workers process.
    """

    waiting: dict[str, int]
    unacknowledged: int


def read() -> Queues:
    """Return what is in the queues.

    Raises:
        redis.RedisError: The broker does not answer.
    """
    prefix = current_app.conf.broker_transport_options["global_keyprefix"]
    with redis.Redis.from_url(
        settings.BROKER_URL,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
    ) as client:
        return Queues(
            {
                queue: client.llen(f"{prefix}{queue}")
                for queue in sorted(current_app.conf.task_queues)
            },
            client.hlen(f"{prefix}unacked"),
        )
