"""The cloud's clock minus ours."""

from dashboard.modelarts.results import (
    InstancePage,
    Observation,
    WireInstance,
    upstream_skew_ms,
)

from .models import Cloud

SKEW_TOLERANCE_MS, HEADER_TOLERANCE_MS = 1_500, 5_000
"""``remain_time`` is rounded up to a second, so an estimate varies by that much. The
clock of the ``Date`` header may be that of another machine; the mirror does not follow
both in turn."""


def follow_clock(
    cloud: Cloud,
    instances: list[WireInstance],
    response: InstancePage | Observation,
) -> None:
    """Correct the cloud's clock by an answer; call it before instances are locked.

    Args:
        instances: Those that the answer contains.
    """
    clock, tolerance_ms = response.clock, SKEW_TOLERANCE_MS
    skew_ms = upstream_skew_ms(instances, clock, by_header=False)
    if skew_ms is None:
        skew_ms = upstream_skew_ms([], clock)
        tolerance_ms = HEADER_TOLERANCE_MS if cloud.refreshed_at else tolerance_ms
    if skew_ms is not None and abs(skew_ms - cloud.skew_ms) > tolerance_ms:
        cloud.skew_ms = skew_ms
        Cloud.objects.filter(pk=cloud.pk).update(skew_ms=skew_ms)
