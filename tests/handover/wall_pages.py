"""Helpers for tests of wallboards."""

import re

from django.urls import reverse
from django.utils import timezone

from dashboard.handover import wallboard_services
from dashboard.handover.models import WallLink
from tests.factories import make_instance


def of(link: WallLink) -> str:
    return reverse("handover:wall", args=[wallboard_services.token(link)])


def poll_of(text: str) -> str:
    match = re.search(r'<div id="poller"[^>]*\shx-get="([^"]+)"', text)
    assert match
    return match[1].replace("&amp;", "&")


def fleet() -> None:
    make_instance(name="overdue", stops_in=-600)
    make_instance(name="soon", stops_in=300)
    make_instance(name="later", stops_in=7_200)
    make_instance(name="no_auto_stop", auto_stop_enable=False, stops_in=None)
    make_instance(name="idle", auto_stop_enable=False, status="STOPPED")
    make_instance(name="failed", status="START_FAILED")
    make_instance(name="gone", missing_since=timezone.now())
