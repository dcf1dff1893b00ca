import pytest

from dashboard.accounts.models import Team, TeamOwner
from dashboard.instances.models import Instance
from dashboard.policies.models import Rule
from tests.factories import make_notebook

pytestmark = pytest.mark.django_db

TAGS = {"team": "vision", "2026": "a=b", "k=v": "w"}


@pytest.mark.parametrize(
    ("fields", "is_included"),
    [
        ({}, True),
        ({"cloud": "nowhere"}, False),
        ({"flavor_type": "none"}, False),
        ({"owner": "nobody"}, False),
        ({"tag": "team"}, True),
        ({"tag": "team=vision"}, True),
        ({"tag": "team=speech"}, False),
        ({"tag": "2026=a=b"}, True),
        ({"tag": "k=v=w"}, True),
        ({"tag": "k=v"}, True),
        ({"tag": 'te"am'}, False),
        ({"tag": "vision"}, False),
    ],
)
def test_the_filter_matches_what_the_scope_includes(
    fields: dict[str, str], is_included: bool
) -> None:
    instance = make_notebook(tags=TAGS)
    rule = Rule(name="x", **fields)
    assert rule.includes(instance) is is_included
    assert Instance.objects.filter(rule.as_q()).exists() is is_included


def test_own_values_and_the_team_are_in_the_scope() -> None:
    instance = make_notebook(tags=TAGS)
    team = Team.objects.create(name="vision")
    rule = Rule(
        cloud=instance.cloud.name,
        workspace_id=instance.workspace_id,
        flavor_type=instance.flavor_type.lower(),
        owner=instance.owner_name,
        team=team,
    )
    assert not rule.includes(instance)
    assert not Instance.objects.filter(rule.as_q()).exists()
    TeamOwner.objects.create(team=team, identifier=instance.owner_id)
    rule = Rule(team=team)
    assert rule.includes(instance)
    assert Instance.objects.filter(rule.as_q()).exists()
    assert rule.scope_words == ["vision"]
