"""Teams, and the pages on which admins keep them."""

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.accounts import services
from dashboard.accounts.models import Team, User
from dashboard.accounts.selectors import (
    owner_identifiers,
    teams_of,
    workspace_identifiers,
)
from dashboard.accounts.teams import save_team
from dashboard.audit.models import AuditEvent
from dashboard.instances.models import FleetVersion

TEAMS = reverse("people:teams")
ADD = reverse("people:add_team")

pytestmark = pytest.mark.usefixtures("_empty_cache")


@pytest.fixture
def vision(admin: User, scientist: User, viewer: User) -> Team:
    return save_team(
        name="Vision",
        deputy=viewer,
        members=[scientist],
        owners=["robot", " robot ", ""],
        workspaces=["0"],
        actor=admin,
    )


def test_a_team_has_the_owners_of_its_members_and_its_own(
    vision: Team, scientist: User, viewer: User, operator: User
) -> None:
    assert owner_identifiers(vision) == {"anna.schmidt", "robot"}
    assert workspace_identifiers(vision) == {"0"}
    assert [*teams_of(scientist)] == [*teams_of(viewer)] == [vision]
    assert not teams_of(operator).exists()


def test_open_lists_look_again_after_a_change_of_a_team(
    vision: Team, admin: User, scientist: User
) -> None:
    before = FleetVersion.current()
    services.set_cloud_users(user=scientist, cloud_users=["tom"], actor=admin)
    assert FleetVersion.current() > before
    assert owner_identifiers(vision) == {"tom", "robot"}


def test_an_admin_adds_changes_and_deletes_a_team(
    client: Client, admin: User, scientist: User
) -> None:
    client.force_login(admin)
    assert "No teams yet" in client.get(TEAMS).text
    form = {"name": "  Vision  ", "owners": "robot\nb1", "members": [scientist.pk]}
    assert client.post(ADD, form).headers["Location"] == TEAMS
    team = Team.objects.get()
    page = client.get(team.get_absolute_url()).text
    for text in ("Vision", "robot", "anna.schmidt", "Counts as owner now"):
        assert text in page
    changed = {"name": "Vision", "deputy": scientist.pk, "workspaces": "w1"}
    assert client.post(team.get_absolute_url(), changed).status_code == 303
    assert owner_identifiers(team) == set()
    assert client.post(ADD, {"name": "vision"}).status_code == 422
    assert client.post(ADD, {"name": "x", "owners": "\x07"}).status_code == 422
    delete = reverse("people:delete_team", args=[team.pk])
    assert client.post(delete).status_code == 303
    assert not Team.objects.exists()
    events = AuditEvent.objects.filter(target_kind="team").order_by("pk")
    assert [event.action for event in events] == [
        *("team.added", "team.changed", "team.deleted"),
    ]
    assert events[1].before["members"] == ["scientist"]
    assert "name" not in events[1].after, "it has not changed"


def test_an_unchanged_team_is_no_event(vision: Team, admin: User) -> None:
    save_team(
        team=vision,
        name="Vision",
        deputy=vision.deputy,
        members=vision.members.all(),
        owners=["robot"],
        workspaces=["0"],
        actor=admin,
    )
    assert AuditEvent.objects.filter(target_kind="team").count() == 1
