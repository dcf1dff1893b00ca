"""Receivers of signals from apps below."""

from datetime import datetime
from typing import Any

from django.dispatch import receiver

from dashboard.instances.models import Cloud
from dashboard.instances.signals import (
    cloud_renamed,
    gap_ended,
    instances_moved,
    statuses_changed,
)
from dashboard.instances.transitions import Transition

from . import cloud_names, recorder


@receiver(statuses_changed)
def record_runs(*, cloud: Cloud, transitions: list[Transition], **_: Any) -> None:
    recorder.record(cloud, transitions)


@receiver(gap_ended)
def record_gap(*, cloud: Cloud, since: datetime, until: datetime, **_: Any) -> None:
    recorder.record_gap(cloud, since, until)


@receiver(cloud_renamed)
def rename(*, was: str, name: str, stayed: bool, **_: Any) -> None:
    cloud_names.rename(was, name, stayed=stayed)


@receiver(instances_moved)
def move_usage(*, cloud: Cloud, into: Cloud, **_: Any) -> None:
    cloud_names.move_usage(cloud, into)
