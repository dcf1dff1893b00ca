"""The countdown fragment."""

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.instances.countdown import unix_ms
from dashboard.instances.models import Instance
from tests.factories import make_instance


def url(cloud: str, instance_id: str) -> str:
    return reverse("instances:countdown", args=[cloud, instance_id])


def test_both_clocks(client: Client, viewer: User, instance: Instance) -> None:
    client.force_login(viewer)
    response = client.get(url("demo", instance.instance_id))
    assert response.status_code == 200
    assert f'data-instance="{instance.instance_id}"' in response.text
    assert f'data-stops-at="{unix_ms(instance.stops_at)}"' in response.text
    assert "<time datetime=" in response.text
    assert "Stops in" in response.text
    assert "Auto-stop after" in response.text
    assert "<html" not in response.text


@pytest.mark.parametrize(
    ("stops_in", "words", "verb"),
    [
        (-30, "stopping…", "scheduled for"),
        (-400, "overdue", "was due"),
    ],
)
def test_after_zero_it_is_stopping_and_then_overdue(
    client: Client, viewer: User, stops_in: int, words: str, verb: str
) -> None:
    instance = make_instance(stops_in=stops_in)
    client.force_login(viewer)
    text = client.get(url("demo", instance.instance_id)).text
    assert f">{words}<" in text
    assert verb in text


@pytest.mark.parametrize("cloud", ["demo", "elsewhere"])
def test_unknown_is_404(
    client: Client, viewer: User, instance: Instance, cloud: str
) -> None:
    known = instance.instance_id if cloud == "elsewhere" else "DE-none"
    client.force_login(viewer)
    assert client.get(url(cloud, known)).status_code == 404


def test_anonymous_is_sent_to_sign_in(client: Client, instance: Instance) -> None:
    response = client.get(url("demo", instance.instance_id))
    assert response.status_code == 302
    assert response.headers["Location"].startswith(reverse("account_login"))


def test_only_get(client: Client, viewer: User, instance: Instance) -> None:
    client.force_login(viewer)
    assert client.post(url("demo", instance.instance_id)).status_code == 405
