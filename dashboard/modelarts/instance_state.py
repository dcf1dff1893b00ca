"""What both generations say about an instance, in the same words and units."""

from dataclasses import dataclass
from typing import Final

from dashboard.modelarts.generations import Generation

TIMING: Final = "timing"
"""The type of a lease with a fixed end."""

IDLE: Final = "idle"
"""The type of a lease that ends after some time without use."""


@dataclass(frozen=True, slots=True)
class InstanceState:
    """The state of an instance at the time of an answer.

    Texts are empty, and other values None, where the answer does not have them.

    Attributes:
        status: In upper case; see ``statuses.InstanceStatus``. Other values are kept.
        flavor_type: In upper case, such as ``CPU``, ``GPU`` or ``ASCEND``.
        auto_stop_enable: Whether the cloud stops the instance by itself.
        auto_stop_duration: Run time from each start, seconds. Notebooks have no such
            setting.
        auto_stop_prompt: Whether the console reminds its user. Notebooks have no such
            setting.
        stop_timestamp_ms: Fixed end of this run by the cloud's clock, Unix ms. None
            unless the instance is running and the cloud will stop it at a fixed moment.
        remain_time: Seconds until then at the time of the answer, rounded up; only
            demanager instances report it.
        lease_type: ``TIMING``, ``IDLE`` or empty; only notebooks have a lease.
        lease_updated_ms: When the lease was changed last, Unix ms.
        idle_seconds: At most how long an instance with an idle lease may be unused
            until the cloud stops it: the time from the last change of the lease to its
            end, which use moves.
        idle_stop_ms: Moment before which an idle lease does not stop the instance, by
            the cloud's clock, Unix ms.
        tags: None if the answer has none.
        created_ms: Unix ms; updated_ms likewise.
        cloud_time_ms: The cloud's own time at the answer, Unix ms.
        is_partial: Whether the answer lacks the part about auto-stop, so that values
            known from earlier answers still count.
    """

    generation: Generation
    id: str
    name: str = ""
    description: str | None = None
    status: str = ""
    owner_id: str = ""
    owner_name: str = ""
    flavor: str = ""
    flavor_type: str = ""
    workspace_id: str = ""
    auto_stop_enable: bool | None = None
    auto_stop_duration: int | None = None
    auto_stop_prompt: bool | None = None
    stop_timestamp_ms: int | None = None
    remain_time: int | None = None
    lease_type: str = ""
    lease_updated_ms: int | None = None
    idle_seconds: int | None = None
    idle_stop_ms: int | None = None
    tags: dict[str, str] | None = None
    created_ms: int | None = None
    updated_ms: int | None = None
    cloud_time_ms: int | None = None
    is_partial: bool = False
