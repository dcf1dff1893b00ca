"""The Celery app and the beat schedule.

The options are the measured ones of ``docs/decisions/0003-delivery.md``: at least once
from the broker, exactly one effect from the rows.
"""

import gc
import os
from importlib import import_module
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging, worker_init, worker_process_init
from django.conf import settings
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.transport.redis import Channel, QoS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
# Django's checks take a fifth of a worker's start, and it ignores their result. Tests,
# ``manage.py`` and ``doctor`` run them.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

VISIBILITY_TIMEOUT_SECONDS = 120
"""Longer than the hard time limit; the shortest of all apps on one broker wins."""

SWEEP_EXPIRES_SECONDS = 5
"""A starting worker finds one sweep to do; more would pile up behind a slow queue."""


class _ForgetfulQoS(QoS):
    """Drops messages whose connection is lost; the database rows have their content.

    kombu 5.7 returns or acknowledges them through a pool that is gone by then. The
    exception leaves a worker that neither works nor ends.
    """

    restore_at_shutdown = False

    def ack(self, delivery_tag: str) -> None:
        if self.channel.connection is not None:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if self.channel.connection is not None:
            super().reject(delivery_tag, requeue=requeue)


Channel.QoS = _ForgetfulQoS
app = Celery("curfew")
app.conf.update(
    broker_url=settings.BROKER_URL,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
        # Look for messages of dead workers every 5 s instead of 100.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 30,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "global_keyprefix": "curfew:",
    },
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_soft_time_limit=25,
    task_time_limit=30,
    task_create_missing_queues=False,
    task_queues={
        name: {"exchange": name, "routing_key": name}
        for name in ("edits", "refresh", "default")
    },
    task_default_queue="default",
    task_routes={
        "edits.*": {"queue": "edits"},
        "instances.*": {"queue": "refresh"},
        "costs.fetch_prices": {"queue": "refresh"},
        "setup.*": {"queue": "refresh"},
    },
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
    timezone="UTC",
    beat_scheduler="dashboard.beat:Scheduler",
    beat_schedule={
        # Messages expire, so that they never pile up.
        "sweep due edits": {
            "task": "edits.sweep_due_edits",
            "schedule": 1,
            "options": {"expires": SWEEP_EXPIRES_SECONDS},
        },
        "let rules act": {
            "task": "edits.enforce_rules",
            "schedule": 60,
            "options": {"expires": 60},
        },
        "run schedules": {
            "task": "edits.run_schedules",
            "schedule": 15,
            "options": {"expires": 15},
        },
        "keep instances running": {
            "task": "edits.keep_instances",
            "schedule": 15,
            "options": {"expires": 15},
        },
        "check budgets": {
            "task": "costs.check_budgets",
            "schedule": 300,
            "options": {"expires": 300},
        },
        "remind": {
            "task": "reminders.remind",
            "schedule": 15,
            "options": {"expires": 15},
        },
        "send digests": {
            "task": "digests.send_due",
            # It is 8:00 somewhere each quarter of an hour.
            "schedule": crontab(minute="*/15"),
            "options": {"expires": 15 * 60},
        },
        "refresh clouds that are due": {
            "task": "instances.refresh_due_clouds",
            "schedule": 2,
            "options": {"expires": 2},
        },
        "reconcile runs": {
            "task": "costs.reconcile_runs",
            "schedule": 300,
            "options": {"expires": 300},
        },
        "store days of usage": {
            "task": "costs.roll_up",
            # Not less often: beat counts from its own start.
            "schedule": 300,
            "options": {"expires": 300},
        },
        "check the system": {
            "task": "system.run_checks",
            "schedule": 60,
            "options": {"expires": 60},
        },
    },
)
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks(
    [
        "dashboard.costs",
        "dashboard.digests",
        "dashboard.edits",
        "dashboard.instances",
        "dashboard.reminders",
        "dashboard.system",
        "dashboard.setup",
    ]
)


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Celery leaves logging alone when this signal has a receiver."""


@worker_init.connect
def _import_clouds(**_: Any) -> None:
    """Import what reads clouds once, before the worker forks its processes."""
    import_module("dashboard.modelarts.clouds")


@worker_process_init.connect
def _freeze_imports(**_: Any) -> None:
    """Let no garbage collection look at what the worker has imported by now."""
    gc.freeze()


@worker_init.connect
def _end_soon(**_: Any) -> None:
    """Wait 5 s instead of 30 for the processes of a worker that stops.

    Celery 5.7 loses a task that was handed out just before and has not reported its
    start; nothing waits for its end then.
    """
    from billiard import pool  # only workers need it

    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 50  # times 0.1 s


def never_wait_for_the_broker() -> None:
    """Limit publishing to about 0.3 s, for the web process.

    The sweeper does whatever a lost message would have started.
    """
    app.conf.task_publish_retry = False
    app.conf.broker_connection_timeout = 0.3
    app.conf.broker_transport_options |= {
        "socket_timeout": 0.3,
        "socket_connect_timeout": 0.3,
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
        "connect_retries_timeout": 0.3,
    }
