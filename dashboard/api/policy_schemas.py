"""Schemas of policies, and of the questions that some of them ask."""

from datetime import datetime

from ninja import Schema
from pydantic import Field

from dashboard.policies.models import Rule

from .schemas import Edit


class PolicyScope(Schema):
    """What instances must be; an empty value matches any."""

    cloud: str
    workspace: str
    flavor_type: str
    owner: str
    team: str
    tag: str
    status: str


class Policy(Schema):
    """A policy. Of each kind, the first enforced one that matches counts."""

    id: int
    position: int
    name: str
    reason: str
    kind: str = Field(description=", ".join(Rule.Kind.values) + ".")
    requirement: str
    mode: str = Field(description=", ".join(Rule.Mode.values) + ".")
    acts: bool = Field(description="Whether Curfew fixes violations automatically.")
    scope: PolicyScope
    url: str


class Policies(Schema):
    items: list[Policy]


class Question(Schema):
    """The question whether a long run is still needed."""

    id: int
    cloud: str
    instance_id: str
    instance_name: str
    policy: str
    reason: str = Field(description="Why the policy exists.")
    state: str = Field(
        description="asked, kept (still needed), stopped, unanswered or withdrawn."
    )
    asked_at: datetime
    deadline: datetime
    stops: bool = Field(description="Whether a run without an answer is stopped.")
    may_answer: bool


class Questions(Schema):
    items: list[Question]


class Answered(Schema):
    """An answered question."""

    question: Question
    edit: Edit | None = Field(description="The stop; null if the run goes on.")
