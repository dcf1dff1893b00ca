"""People from a CSV file: a plan that a person previews, and its execution.

A filled cell replaces what the account has, an empty one leaves it as it is. So the
same file can be imported twice.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.functional import Promise
from django.utils.translation import gettext as _, gettext_lazy

from dashboard.web.csv_files import UnreadableError

from . import services, teams
from .models import Team, User
from .people_csv import PEOPLE

MAX_PEOPLE = 500
MAX_OWNERS = 50

LABELS: dict[str, Promise] = {
    "name": gettext_lazy("Name"),
    "email": gettext_lazy("Email"),
    "role": gettext_lazy("Role"),
    "owners": gettext_lazy("ModelArts users"),
    "team": gettext_lazy("Team"),
}

_IN_CELL = re.compile(r"[;,|\r\n]+")


class Change(NamedTuple):
    """A new value for a column other than ``username``.

    Attributes:
        before, after: For the preview; a role as its label.
    """

    column: str
    before: str
    after: str

    @property
    def label(self) -> Promise:
        return LABELS[self.column]


class Line(NamedTuple):
    """What a line of the file does.

    Attributes:
        number: In the file, from 1; the header is line 1.
        user: The existing account; None for a new one.
        values: New values by column, as the services take them.
        problem: Why the line is skipped; empty if it is not.
    """

    number: int
    username: str
    user: User | None
    values: dict[str, Any]
    changes: list[Change]
    problem: str

    @property
    def is_new(self) -> bool:
        return self.user is None and not self.problem

    @property
    def does_something(self) -> bool:
        return self.is_new or bool(self.changes and not self.problem)


class Plan(NamedTuple):
    """What an import does; nothing is written yet."""

    lines: list[Line]

    @property
    def added(self) -> int:
        return sum(line.is_new for line in self.lines)

    @property
    def changed(self) -> int:
        return sum(line.does_something and not line.is_new for line in self.lines)

    @property
    def skipped(self) -> int:
        return sum(bool(line.problem) for line in self.lines)

    @property
    def unchanged(self) -> int:
        return len(self.lines) - self.added - self.changed - self.skipped

    @property
    def new_teams(self) -> list[str]:
        """Names of the teams that the import creates."""
        names = {
            name
            for line in self.lines
            if line.does_something
            for name in line.values.get("team", ())
        }
        known = Team.objects.filter(name__in=names).values_list("name", flat=True)
        return sorted(names - set(known))

    @property
    def fingerprint(self) -> str:
        """A digest that differs if the plan does anything else."""
        seen = [
            (line.number, line.username, line.is_new, line.changes, line.problem)
            for line in self.lines
        ]
        return hashlib.sha256(repr(seen).encode()).hexdigest()


def build_plan(text: str) -> Plan:
    """Say what each line would do.

    Raises:
        UnreadableError: No header, an unknown column, or too many lines.
    """
    rows = list(PEOPLE.rows_of(text))
    if not rows:
        raise UnreadableError(_("There are no lines below the header."))
    if len(rows) > MAX_PEOPLE:
        raise UnreadableError(
            _("The list has more than %(number)s people. Split it.")
            % {"number": MAX_PEOPLE}
        )
    known = _Known({cells["username"] for _number, cells in rows})
    return Plan([_line(number, cells, known) for number, cells in rows])


@transaction.atomic
def run(plan: Plan, *, actor: User) -> list[User]:
    """Add and change the people of a plan, and return those who were added.

    Raises:
        ValidationError, LastAdminError: Someone has changed people since the plan was
            built; nothing is written.
    """
    added = []
    for line in plan.lines:
        if not line.does_something:
            continue
        values = dict(line.values)
        names = values.pop("team", None)
        user = line.user
        if user is None:
            cloud_users = values.pop("owners", ())
            user = services.add_user(
                username=line.username,
                role=values.pop("role", User.Role.VIEWER),
                cloud_users=cloud_users,
                actor=actor,
                **values,
            )
            added.append(user)
        else:
            _change(user, values, actor)
        if names is not None:
            teams.join_teams(user=user, names=names, actor=actor)
    return added


def _change(user: User, values: dict[str, Any], actor: User) -> None:
    if "role" in values:
        services.set_role(user=user, role=values["role"], actor=actor)
    if "owners" in values:
        services.set_cloud_users(user=user, cloud_users=values["owners"], actor=actor)
    if "email" in values:
        services.set_email(user=user, email=values["email"], actor=actor)
    if "name" in values:
        services.set_name(user=user, name=values["name"], actor=actor)


class _Known:
    """The accounts and teams that lines can refer to, and what lines have taken."""

    def __init__(self, usernames: Iterable[str]) -> None:
        accounts = User.objects.prefetch_related("cloud_users", "teams")
        names = {*usernames}
        lower = {name.casefold() for name in names}
        # SQLite lowers ASCII only.
        found = accounts.annotate(key=Lower("username")).filter(
            Q(key__in=lower) | Q(username__in=names)
        )
        self.users = {user.username.casefold(): user for user in found}
        self.emails = {
            email.casefold(): username
            for username, email in User.objects.exclude(email="").values_list(
                "username", "email"
            )
        }
        self.teams = {
            name.casefold(): name
            for name in Team.objects.values_list("name", flat=True)
        }
        admins = User.objects.filter(role=User.Role.ADMIN, is_active=True)
        self.admins = set(admins.values_list("username", flat=True))
        self.lines: dict[str, int] = {}


def _line(number: int, cells: dict[str, str], known: _Known) -> Line:
    username = cells["username"]
    user = known.users.get(username.casefold())
    values: dict[str, Any] = {}
    try:
        _check_username(username, user, known)
        known.lines[username.casefold()] = number
        values = _values(cells, user, known)
        _check(username, user, values, known)
    except ValidationError as error:
        return Line(number, username, user, {}, [], " ".join(error.messages))
    changes = [
        Change(column, before, after)
        for column in LABELS
        if column in values
        for before, after in [_shown(column, values[column], user)]
        if before != after
    ]
    kept = {change.column: values[change.column] for change in changes}
    if "email" in kept:
        known.emails[kept["email"].casefold()] = username
    return Line(number, username, user, kept, changes, "")


def _check_username(username: str, user: User | None, known: _Known) -> None:
    if not username:
        raise ValidationError(_("The username is missing."))
    if first := known.lines.get(username.casefold()):
        raise ValidationError(
            _("Line %(number)s has the same username.") % {"number": first}
        )
    if user and user.username != username:
        raise ValidationError(
            _("The existing account is spelled %(username)s.")
            % {"username": user.username}
        )
    if user and not user.is_active:
        raise ValidationError(_("The account is deactivated. Reactivate it first."))


def _values(cells: dict[str, str], user: User | None, known: _Known) -> dict[str, Any]:
    """Return the filled cells, as the services take them."""
    values: dict[str, Any] = {}
    if cells["name"]:
        values["name"] = " ".join(cells["name"].split())
    if cells["email"]:
        values["email"] = cells["email"]
    if cells["role"] or not user:
        values["role"] = _role(cells["role"])
    if owners := _parts(cells["owners"]):
        if len(owners) > MAX_OWNERS:
            raise ValidationError(
                _("A person can have at most %(identifiers)s ModelArts users.")
                % {"identifiers": MAX_OWNERS}
            )
        values["owners"] = sorted(set(owners))
    if names := _parts(cells["team"]):
        values["team"] = sorted(
            {known.teams.setdefault(name.casefold(), name) for name in names}
        )
    for text in (*owners, *names, values.get("name", "")):
        if len(text) > 255 or not text.isprintable():
            raise ValidationError(_("A name is too long or has invisible characters."))
    return values


def _check(
    username: str, user: User | None, values: dict[str, Any], known: _Known
) -> None:
    first, last = services.split_name(values.get("name", ""))
    User(
        username=username,
        email=values.get("email", ""),
        role=values.get("role", User.Role.VIEWER),
        first_name=first,
        last_name=last,
    ).clean_fields(exclude=["password"])
    if any(len(name) > Team.NAME_LENGTH for name in values.get("team", ())):
        raise ValidationError(
            _("The name of a team has at most %(number)s characters.")
            % {"number": Team.NAME_LENGTH}
        )
    holder = known.emails.get(values.get("email", "").casefold(), username)
    if holder != username:
        raise ValidationError(
            _("%(username)s has this email address.") % {"username": holder}
        )
    if user and values.get("role", user.role) != User.Role.ADMIN:
        if known.admins == {username}:
            raise ValidationError(
                _("This is the last active admin. Make another person an admin first.")
            )
        known.admins.discard(username)


def _role(text: str) -> str:
    for role in User.Role:
        if text.casefold() in {role.value, str(role.label).casefold()}:
            return role.value
    if text:
        raise ValidationError(
            _("Unknown role %(role)s. Use %(roles)s.")
            % {"role": text, "roles": ", ".join(User.Role.values)}
        )
    return User.Role.VIEWER.value


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in _IN_CELL.split(cell) if part.strip()]


def _shown(column: str, value: Any, user: User | None) -> tuple[str, str]:
    """Return the present and the new value, as the preview shows them."""
    match column:
        case "role":
            before = user.get_role_display() if user else ""
            return str(before), str(User.Role(value).label)
        case "owners":
            names = (
                sorted(row.identifier for row in user.cloud_users.all()) if user else []
            )
        case "team":
            names = sorted(team.name for team in user.teams.all()) if user else []
        case "name":
            return (user.get_full_name() if user else ""), value
        case _:
            return (user.email if user else ""), value
    return ", ".join(names), ", ".join(value)
