"""Reading a cloud once, in a worker, so that an admin sees whether it works."""

from collections.abc import Callable

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from dashboard.accounts.models import User
from dashboard.audit.services import record_event
from dashboard.instances import upstream
from dashboard.instances.messages import message_of
from dashboard.instances.served_generations import first_pages
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.errors import ModelArtsError

from . import answers, messages, new_cloud, private_files
from .answers import Answer

log = structlog.get_logger(__name__)


def check_cloud(check_id: str, name: str) -> None:
    """Read a configured cloud and store the answer."""
    answers.store(check_id, name, _ask(lambda: _read(upstream.client_for(name))))


def try_new_cloud(test_id: str, name: str, actor_pk: int) -> None:
    """Read the cloud of a test, adopt it if that works, and store the answer."""
    try:
        if not new_cloud.has_files(test_id):
            # The message came twice, or too late.
            if not answers.find(test_id, [name]):
                gone = Answer(problem=messages.FORM_IS_GONE())
                answers.store(test_id, name, gone)
            return
        answer = _ask(lambda: _read_new(test_id, name))
        if not answer.problem:
            answer = _adopt(test_id, name, actor_pk, answer)
        answers.store(test_id, name, answer)
    finally:
        new_cloud.remove_files(test_id)


def _adopt(test_id: str, name: str, actor_pk: int, answer: Answer) -> Answer:
    try:
        # In this order everywhere: neither waits for the other then.
        with private_files.locked(), transaction.atomic():
            record_event(
                User.objects.get(pk=actor_pk),
                "setup.cloud_added",
                target_label=name,
                after={"cloud": name},
            )
            new_cloud.adopt(test_id, name)
    except OSError as error:
        log.exception("cloud not saved", cloud=name)
        reason = error.strerror or type(error).__name__
        return Answer(problem=messages.NOT_SAVED(reason=reason))
    return answer


def _ask(read: Callable[[], Answer]) -> Answer:
    try:
        return read()
    except ModelArtsError as error:
        return Answer(problem=message_of(error))
    except SoftTimeLimitExceeded:
        return Answer(problem=messages.READ_TOOK_TOO_LONG())
    except Exception:
        log.exception("cloud not read")
        return Answer(problem=messages.READ_FAILED())


def _read_new(test_id: str, name: str) -> Answer:
    with ModelArtsClient(new_cloud.load(test_id, name)) as client:
        return _read(client)


def _read(client: ModelArtsClient) -> Answer:
    pages = first_pages(client)
    return Answer(
        {key.value: page.total_count if page else None for key, page in pages.items()},
        any(page.scope == "own" for page in pages.values() if page),
    )
