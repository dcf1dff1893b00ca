"""Which generations of the API a cloud serves.

The configuration of a cloud may say so. Otherwise each refresh asks for both listings.
A generation that is not served is asked for again at most hourly, unless the mirror has
instances of it: then it may be back at any time. "Not served" never means that there
are no instances.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.cloud_config import GENERATIONS_KEY, CloudConfig
from dashboard.modelarts.errors import NotServedError
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.messages import Problem
from dashboard.modelarts.results import InstancePage
from dashboard.web.stored_messages import Message

from . import messages
from .models import Cloud, FleetVersion, Instance

log = structlog.get_logger(__name__)

ASK_AGAIN_AFTER = timedelta(hours=1)


def configured_but_refused(
    generation: Generation, error: NotServedError
) -> NotServedError:
    """Return an error that names the key by which a refused generation is served."""
    return NotServedError(
        Problem.CONFIGURED_NOT_SERVED,
        {"generation": generation.value, "key": GENERATIONS_KEY},
        status=error.status,
        error_code=error.error_code,
        upstream_message=error.upstream_message,
        request_id=error.request_id,
    )


def first_pages(client: ModelArtsClient) -> dict[Generation, InstancePage | None]:
    """Read the first page of each listing of a cloud; None where it is not served.

    Raises:
        NotServedError: No generation is served, or one that the configuration names.
        ModelArtsError: A listing cannot be read.
    """
    pages: dict[Generation, InstancePage | None] = {}
    refusal: NotServedError | None = None
    for generation in client.config.generations or Generation:
        try:
            pages[generation] = next(client.api(generation).list_instances(page_size=1))
        except NotServedError as error:
            if client.config.generations:
                raise configured_but_refused(generation, error) from None
            refusal, pages[generation] = refusal or error, None
    if refusal and all(page is None for page in pages.values()):
        raise refusal
    return pages


class ServedGenerations:
    """What one refresh knows, and finds out, about the generations of a cloud.

    Attributes:
        present: Number of instances in the mirror, by generation, at the beginning.
    """

    def __init__(self, cloud: Cloud, config: CloudConfig) -> None:
        """Copy to the row of the cloud what the configuration says about it."""
        self._cloud = cloud
        self._fixed = config.generations
        counts = self._instances().values_list("generation").annotate(Count("pk"))
        self.present: dict[str, int] = dict(counts.order_by())
        self._refusal: NotServedError | None = None
        answers = cloud.generations
        if self._fixed is not None:
            answers = {key: answers[key] for key in self._fixed if key in answers}
        self._update(
            generations=answers,
            max_run_hours=config.max_run_hours,
            allows_no_auto_stop=config.allows_no_auto_stop,
            has_tags=config.has_tags,
            notebook_hosts=list(config.notebook_hosts),
            console_url=config.console_url,
        )
        now, checked_at = timezone.now(), cloud.generations_checked_at
        self._is_due = (
            Cloud.Answer.SERVED not in answers.values()
            or checked_at is None
            or not now - ASK_AGAIN_AFTER < checked_at <= now
        )

    def is_asked(self, generation: Generation) -> bool:
        """Return whether the listing of a generation is to be read."""
        if self._fixed is not None:
            return generation in self._fixed
        answer = self._cloud.generations.get(generation)
        is_refused = answer == Cloud.Answer.NOT_SERVED
        return not is_refused or generation in self.present or self._is_due

    def record_answer(self, generation: Generation) -> None:
        answers = self._cloud.generations | {generation.value: Cloud.Answer.SERVED}
        self._update(generations=answers)

    def record_refusal(self, generation: Generation, error: NotServedError) -> None:
        """Record that a generation is not served.

        Raises:
            NotServedError: By the configuration, it is.
        """
        self._refusal = error
        answers = self._cloud.generations | {generation.value: Cloud.Answer.NOT_SERVED}
        self._update(generations=answers)
        self._record_check()
        if self._fixed is not None:
            raise configured_but_refused(generation, error) from error

    def record_completion(self, listed: Collection[str]) -> None:
        """Record that each listing was read to its end.

        Args:
            listed: The generations whose listings were read.
        """
        expected = self._fixed if self._fixed is not None else tuple(Generation)
        if set(expected) <= set(listed):
            self._record_check()

    def record_scope(self, scope: str) -> None:
        """Record whose notebooks the listing contains; empty without notebooks."""
        self._update(notebooks_scope=scope)

    def check_any(self) -> None:
        """Check that a generation is served.

        Raises:
            NotServedError: None is.
        """
        is_any = Cloud.Answer.SERVED in self._cloud.generations.values()
        if self._refusal is not None and not is_any:
            raise self._refusal

    def lost(self) -> dict[str, int]:
        """Return how many instances in the mirror are of generations not served."""
        refused = [
            generation
            for generation, answer in self._cloud.generations.items()
            if answer == Cloud.Answer.NOT_SERVED
        ]
        if self._fixed is not None or not refused:
            return {}
        lost = self._instances().filter(generation__in=refused)
        return dict(lost.values_list("generation").annotate(Count("pk")).order_by())

    def problem(self) -> Message:
        """Return what is wrong if instances can no longer be read; else empty."""
        lost = self.lost()
        if not lost:
            return Message()
        rest = [key for key in self._cloud.generations if key not in lost]
        return messages.GENERATION_LOST(
            generation=", ".join(lost),
            count=sum(lost.values()),
            key=GENERATIONS_KEY,
            rest=", ".join(rest),
        )

    def _instances(self) -> QuerySet[Instance]:
        return Instance.objects.filter(cloud=self._cloud, missing_since=None)

    def _record_check(self) -> None:
        row = Cloud.objects.filter(pk=self._cloud.pk)
        row.update(generations_checked_at=timezone.now())

    def _update(self, **fields: Any) -> None:
        """Write what differs."""
        cloud = self._cloud
        news = {key: new for key, new in fields.items() if getattr(cloud, key) != new}
        if not news:
            return
        for key, new in news.items():
            setattr(cloud, key, new)
        with transaction.atomic():
            Cloud.objects.filter(pk=cloud.pk).update(**news)
            FleetVersion.stamp()
        log.info("cloud changed", cloud=cloud.name, **news)
