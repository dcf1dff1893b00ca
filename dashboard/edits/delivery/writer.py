"""Read and write the instance of a delivery.

No transaction is open while a call to the cloud is under way.
"""

import math
import time
from collections.abc import Mapping
from typing import Any

import structlog

from dashboard.edits import leases, merge
from dashboard.edits.models import Edit
from dashboard.instances import upstream
from dashboard.instances.edit_states import EditKind
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.errors import StateRefusedError, UnclearError
from dashboard.modelarts.instance_state import IDLE
from dashboard.modelarts.limits import MIN_RUN_SECONDS
from dashboard.modelarts.messages import Problem
from dashboard.modelarts.results import MAX_CLOCK_DIFFERENCE_MS, Observation

from . import authorization, late_writes
from .calls import Request, calls_for
from .queue import Delivery

log = structlog.get_logger(__name__)

type Values = Mapping[str, Any]


class NotAuthorizedError(Exception):
    """The request may not be sent; see ``authorization.authorize_request``."""


class TooShortError(Exception):
    """The cloud's shortest run ends later than the end that was asked for."""


class TooLongError(Exception):
    """The cloud allows no run as long as the one that was asked for."""


class Writer:
    """The calls of one delivery.

    The methods that write take the values that the cloud shows now, and return what it
    shows afterwards. They raise ``ModelArtsError`` and ``NotAuthorizedError``.

    Attributes:
        cloud_ms: The cloud's time at the last read, Unix ms; a little early.
    """

    def __init__(
        self, delivery: Delivery, client: ModelArtsClient | None = None
    ) -> None:
        """Prepare the calls.

        Args:
            client: Of the cloud; None finds it by its name.
        """
        self._delivery = delivery
        instance = delivery.instance
        self._cloud, self._id = instance.cloud, instance.instance_id
        client = client or upstream.client_for(self._cloud.name)
        self._api = client.api(instance.generation)
        self._calls = calls_for(instance.generation, client, self._id)
        self.cloud_ms, self._read_at = 0, 0.0

    def read(self) -> Observation:
        observation = self._api.show_instance(self._id)
        self._read_at = time.monotonic()
        self.cloud_ms = _cloud_ms(observation, self._cloud.skew_ms)
        return observation

    def put(self, values: Values, current: Values) -> Observation:
        """Change some settings.

        Raises:
            pydantic.ValidationError: The cloud would refuse the values.
        """
        for request in self.requests(values, current):
            observation = self._write(request, current)
            current = late_writes.cloud_values(observation.instance)
        return observation

    def put_and_keep_prompt(self, values: Values, current: Values) -> Observation:
        """Change some settings, and restore the console reminder if that reset it.

        The documents leave open whether an absent ``prompt`` falls back to its default.

        Raises:
            pydantic.ValidationError: The cloud would refuse the values.
        """
        observation = self.put(values, current)
        return self.keep_prompt(values, current, observation)

    def requests(self, values: Values, current: Values) -> list[Request]:
        """Return the requests that ``put`` sends.

        Raises:
            pydantic.ValidationError: The cloud would refuse the values.
            UnclearError: The cloud's values do not say enough.
        """
        if self._is_hidden(values, current):
            # Another person's value could be replaced, and nobody would know.
            raise UnclearError(Problem.UNREADABLE)
        return self._calls.changes(values, current)

    def _is_hidden(self, values: Values, current: Values) -> bool:
        """Whether the cloud no longer says what one of the values would replace."""
        known: dict[str, Any] = {}
        for edit in self._delivery.edits:
            known |= edit.base
        return any(
            current[name] is None and not merge.is_same(known.get(name), None)
            for name in values
        )

    def keep_prompt(
        self, values: Values, before: Values, observation: Observation
    ) -> Observation:
        """Restore the console reminder if a change of other settings reset it.

        Args:
            values: What was sent.
            before: The cloud's values before that.
            observation: What the cloud shows now.
        """
        after = late_writes.cloud_values(observation.instance)
        if not was_prompt_reset(values, before, after):
            return observation
        log.info("prompt was reset", instance=self._id)
        return self.put({"auto_stop_prompt": before["auto_stop_prompt"]}, after)

    def switch(self, kind: EditKind, current: Values, run: Values) -> Observation:
        """Start or stop the instance; ``run`` is the patch of a start."""
        starts = kind == Edit.Kind.START
        request = self._calls.start(run) if starts else self._calls.stop()

        def send() -> None:
            try:
                request.send()
            except StateRefusedError as error:
                if error.error_code not in self._calls.already_done[kind]:
                    raise

        return self._write(Request(request.body, send), current)

    def renew(self, lease: leases.Lease, current: Values) -> Observation:
        """Let this run end as a lease says.

        The duration is worked out now, by the cloud's clock. It is rounded up to a
        second, so that the run lasts as long as requested.

        Raises:
            TooShortError: Its end is less than an hour away.
            TooLongError: Its end is further away than the cloud allows.
        """
        if lease["lease_type"] == IDLE:
            seconds = lease["idle_seconds"]
        else:
            passed_ms = (time.monotonic() - self._read_at) * 1000
            left_ms = lease["stop_timestamp_ms"] - self.cloud_ms - passed_ms
            seconds = math.ceil(left_ms / 1000)
        most = self._cloud.max_run_hours * 3600
        if seconds < MIN_RUN_SECONDS:
            raise TooShortError
        if seconds > most + leases.TOLERANCE_MS / 1000:
            raise TooLongError
        # Clocks may differ by a moment from those by which the end was accepted.
        return self._write(self._calls.renewal(lease, min(seconds, most)), current)

    def _write(self, request: Request, current: Values) -> Observation:
        """Store a request, send it, and read the instance again.

        The response is not used: it may show the request and not what is stored.
        """
        if not authorization.authorize_request(self._delivery, request.body, current):
            raise NotAuthorizedError
        request.send()
        self._delivery.awaiting_read_back = True
        observation = self.read()
        self._delivery.awaiting_read_back = False
        return observation


def was_prompt_reset(values: Values, before: Values, after: Values) -> bool:
    """Whether a change of other settings has reset the console reminder."""
    prompt = before.get("auto_stop_prompt")
    return (
        "auto_stop_prompt" not in values
        and prompt is not None
        and after["auto_stop_prompt"] not in {prompt, None}
    )


def _cloud_ms(observation: Observation, skew_ms: int) -> int:
    """Return the cloud's time when the answer arrived, Unix ms; a little early."""
    date_ms = observation.clock.date_ms
    if date_ms is None:
        date_ms = observation.clock.received_at_ms + skew_ms
    own_ms: int | None = observation.instance.state().cloud_time_ms
    if own_ms is None or abs(own_ms - date_ms) > MAX_CLOCK_DIFFERENCE_MS:
        return date_ms
    return own_ms
