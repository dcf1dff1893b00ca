import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from . import backfill, budgets, proposals, rollup

log = structlog.get_logger(__name__)

EXPIRES_SECONDS = 60


@shared_task(name="costs.check_budgets", ignore_result=True)
def check_budgets() -> None:
    """Note the thresholds that budgets have reached; ``reminders`` tells of them."""
    budgets.record_warnings(timezone.now())


@shared_task(name="costs.reconcile_runs", ignore_result=True)
def reconcile_runs() -> None:
    """Write what an older release saw during an upgrade; usually nothing."""
    if number := backfill.reconcile():
        log.info("runs written later", runs=number)


@shared_task(name="costs.roll_up", ignore_result=True)
def roll_up() -> None:
    if number := rollup.roll_up(timezone.now()):
        log.info("days of usage stored", days=number)


@shared_task(
    name="costs.fetch_prices",
    ignore_result=True,
    soft_time_limit=100,
    time_limit=110,
)
def fetch_prices(proposal_pk: int) -> None:
    """Ask the billing service of a cloud, once: a second task finds the answer."""
    try:
        proposals.fetch(proposal_pk)
    except SoftTimeLimitExceeded:
        proposals.give_up(proposal_pk)


def enqueue_fetch(proposal_pk: int) -> None:
    """Enqueue the question; without a broker, the page says that nobody asks."""
    try:
        fetch_prices.apply_async(args=(proposal_pk,), expires=EXPIRES_SECONDS)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("prices not asked for", reason=str(error)[:200])
