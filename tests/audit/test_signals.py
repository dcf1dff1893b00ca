"""Sign-ins, failed sign-ins, sign-outs and refusals are recorded."""

import pytest
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from dashboard.accounts.models import User
from dashboard.audit import middleware
from dashboard.audit.models import AuditEvent
from dashboard.instances.models import Instance
from tests.conftest import PASSWORD

LOGIN, LOGOUT = reverse("account_login"), reverse("account_logout")
pytestmark = pytest.mark.usefixtures("_empty_cache")


def edit_path(instance: Instance) -> str:
    return reverse("edits:edit", args=[instance.cloud.name, instance.instance_id])


def test_sign_ins_and_sign_outs_are_recorded(client: Client, viewer: User) -> None:
    client.post(LOGIN, {"login": "viewer", "password": PASSWORD})
    client.post(LOGOUT)
    came, left = AuditEvent.objects.filter(action__startswith="user.s").order_by("pk")
    assert (came.action, came.actor) == ("user.signed_in", viewer)
    assert (left.action, left.actor) == ("user.signed_out", viewer)
    assert came.address == left.address == "127.0.0.1"
    assert came.request_id != left.request_id


def test_a_wrong_password_is_a_refusal(client: Client, viewer: User) -> None:
    client.post(LOGIN, {"login": "viewer", "password": "wrong"})
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.outcome) == ("user.sign_in_failed", "refused")
    assert (event.actor, event.target_label) == (None, "viewer")
    assert event.target_id == str(viewer.pk)


def test_unknown_usernames_are_not_stored(client: Client, db: None) -> None:
    client.post(LOGIN, {"login": "my-secret-password", "password": "x"})
    event = AuditEvent.objects.latest("pk")
    assert event.action == "user.sign_in_failed"
    assert event.target_label == "an unknown name"
    assert "my-secret-password" not in str(vars(event))


def test_a_refusal_says_who_wanted_what(
    client: Client, viewer: User, instance: Instance
) -> None:
    client.force_login(viewer)
    client.post(edit_path(instance), {"description": "mine"})
    event = AuditEvent.objects.get(action="request.refused")
    assert (event.actor, event.outcome) == (viewer, "refused")
    assert event.target_id == "edits:edit"
    assert event.instance == instance.reference
    assert event.target_label == f"POST {edit_path(instance)}"


def test_a_form_without_its_token_is_a_refusal_too(db: None) -> None:
    Client(enforce_csrf_checks=True).post(LOGIN, {"login": "x", "password": "y"})
    event = AuditEvent.objects.get(action="request.refused")
    assert (event.actor, event.actor_label) == (None, "not signed in")


def test_many_refusals_do_not_fill_the_database(
    client: Client, viewer: User, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "PER_MINUTE", 3)
    client.force_login(viewer)
    for _ in range(9):
        assert client.get(edit_path(instance)).status_code == 403
    refused = AuditEvent.objects.filter(action="request.refused").count()
    assert 3 <= refused <= 6, "three in a minute, and a minute may end meanwhile"


def test_a_refusal_that_cannot_be_recorded_stays_a_refusal(
    client: Client, viewer: User, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(middleware, "record_event", fail)
    client.force_login(viewer)
    assert client.get(edit_path(instance)).status_code == 403
