"""The demo's handovers and wallboards are worth looking at."""

from django.test import Client

from dashboard.accounts.models import User
from dashboard.handover.models import Handover, WallLink
from dashboard.instances.models import Cloud
from dashboard.ops import demo_handover, demo_views


def test_one_published_one_draft_and_two_walls(
    client: Client, admin: User, operator: User, cloud_row: Cloud
) -> None:
    demo_views.write()
    assert demo_handover.write() == "2 handovers, 2 walls"
    published, draft = Handover.objects.order_by("pk")
    assert (published.published_by, published.taken_over_by) == (operator, admin)
    # Two of its own, and the two that the published one left open.
    assert draft.notes.count() == 4
    assert [one.masked for one in WallLink.objects.order_by("pk")] == [False, True]
    address = demo_handover.wall_address("http://testserver/")
    assert "Control room" in client.get(address).text
