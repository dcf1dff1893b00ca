"""Every address of the site, and what each kind of person gets there.

The routes come from the URLconf itself: one that has no line here fails the tests.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.urls import URLResolver, get_resolver

PEOPLE = (
    *("anonymous", "deactivated", "viewer", "stranger"),
    *("scientist", "manager", "operator", "admin"),
)
"""``scientist`` owns the instance in question, ``stranger`` is one who does not."""

SIGN_IN = "sign-in"
"""Sent to the sign-in page: by 302, for htmx by 401 and HX-Redirect."""


class Rule(NamedTuple):
    """What a route answers: status (or several, or ``SIGN_IN``) by person.

    Attributes:
        get: To a GET.
        post: To a POST with a good token and an empty body.
        query: To go along.
    """

    get: dict[str, Any]
    post: dict[str, Any]
    query: str = ""


def signed_in(status: Any, **others: Any) -> dict[str, Any]:
    """The same for everybody with an account in use; ``others`` name exceptions.

    A manager gets what a viewer gets.
    """
    outside = {"anonymous": SIGN_IN, "deactivated": SIGN_IN}
    reader = {"manager": others.get("viewer", status)}
    return dict.fromkeys(PEOPLE, status) | outside | reader | others


def owners_and_above(status: Any) -> dict[str, Any]:
    """For those who may act on the instance; the others are refused."""
    return signed_in(status, viewer=403, stranger=403)


def operators_and_above(status: Any) -> dict[str, Any]:
    """For operators and admins; the others are refused."""
    return signed_in(status, viewer=403, stranger=403, scientist=403)


def admins(status: Any) -> dict[str, Any]:
    """For admins; the others are refused."""
    return operators_and_above(status) | {"operator": 403}


def drafts_only(status: Any) -> dict[str, Any]:
    """For operators and admins; for the others there is no draft."""
    return operators_and_above(status) | {
        "viewer": 404,
        "manager": 404,
        "stranger": 404,
        "scientist": 404,
    }


def system_readers(status: Any) -> dict[str, Any]:
    """For operators and admins; for the others there is no system page."""
    return drafts_only(status)


def system_admins(status: Any) -> dict[str, Any]:
    """For admins; operators are refused, for the others it is not there."""
    return drafts_only(status) | {"operator": 403}


READ = Rule(signed_in(200), signed_in(405))
POLL = Rule(signed_in((200, 204)), signed_in(405), "since=0")
FOR_MACHINES = Rule(dict.fromkeys(PEOPLE, (200, 503)), dict.fromkeys(PEOPLE, 405))
FOR_DOCTOR = Rule(dict.fromkeys(PEOPLE, 404), dict.fromkeys(PEOPLE, 405))
"""By a signature of ``manage.py doctor``, which none of them has."""

FOR_SCREENS = Rule(
    dict.fromkeys(PEOPLE, (200, 204)), dict.fromkeys(PEOPLE, 405), "since=0"
)
"""By a link, signed in or not."""


DRAFT_200 = drafts_only(200)
MANAGES = Rule(signed_in(405), admins((200, 302, 303, 400, 409, 422)))
"""An act of an admin's upon another account."""

RULES: dict[str, Rule] = {
    "home": Rule(signed_in((200, 302)), signed_in((302, 405))),
    "instances:list": READ,
    "instances:changes": POLL,
    "instances:clouds": READ,
    "instances:home_changes": Rule(
        signed_in((200, 204, 302)), signed_in(405), "since=0"
    ),
    "instances:detail": READ,
    "instances:detail_changes": POLL,
    "instances:menu": READ,
    "instances:palette": READ,
    "instances:countdown": READ,
    "edits:edit": Rule(owners_and_above(200), owners_and_above((303, 422))),
    # The instance runs: there is nothing to start, but who asks is judged first.
    "edits:start": Rule(owners_and_above(409), owners_and_above(409)),
    "edits:stop": Rule(owners_and_above(200), owners_and_above(303)),
    # The instance in question is of the old API: its run keeps its end.
    "edits:extend": Rule(owners_and_above(409), owners_and_above(409)),
    "edits:restart": Rule(owners_and_above(200), owners_and_above(303)),
    "edits:overrides": READ,
    "edits:override": Rule(owners_and_above(200), owners_and_above(422)),
    "edits:end_override": Rule(signed_in(405), owners_and_above(303)),
    "edits:list": READ,
    "edits:detail": READ,
    "edits:progress": POLL,
    "edits:banner": POLL,
    "edits:retry": Rule(signed_in(405), owners_and_above((302, 303))),
    "edits:cancel": Rule(signed_in(405), owners_and_above((302, 303))),
    "edits:undo": Rule(owners_and_above(200), owners_and_above((302, 303))),
    "edits:discard": Rule(signed_in(405), owners_and_above((302, 303))),
    "edits:resolve": Rule(signed_in(405), owners_and_above(303)),
    "edits:bulk": Rule(signed_in(405), signed_in(422, viewer=403)),
    # The batch is the admin's, and confirmed: the draft leads to it.
    "edits:bulk_draft": Rule(
        signed_in(404, viewer=403, admin=303), signed_in(404, viewer=403, admin=303)
    ),
    "edits:bulk_confirm": Rule(signed_in(405), signed_in(404, viewer=403, admin=303)),
    # It waits for nobody.
    "edits:bulk_approve": Rule(signed_in(405), signed_in(404, viewer=403, admin=403)),
    "edits:bulk_decline": Rule(signed_in(405), signed_in(404, viewer=403, admin=303)),
    "edits:acting": Rule(admins(200), admins(303)),
    "edits:list_changes": POLL,
    "edits:batches": READ,
    "edits:batch": READ,
    "edits:batch_progress": POLL,
    "edits:batch_cancel": Rule(signed_in(405), operators_and_above(303)),
    "edits:batch_retry": Rule(signed_in(405), operators_and_above(303)),
    "edits:undo_batch": Rule(signed_in(405), operators_and_above(303)),
    # An empty answer leads back to the question.
    "edits:question": Rule(signed_in(200), owners_and_above(303)),
    "costs:report": READ,
    "costs:report_csv": READ,
    "costs:report_json": READ,
    "costs:runs": READ,
    "costs:runs_csv": READ,
    "costs:runs_json": READ,
    "costs:savings": READ,
    "policies:rules": Rule(admins(200), signed_in(405)),
    "policies:new": Rule(admins(200), admins(422)),
    "policies:rule": Rule(admins(200), admins(422)),
    "policies:move": Rule(signed_in(405), admins(303)),
    # The second time it is gone.
    "policies:delete": Rule(signed_in(405), admins((303, 404))),
    "policies:compliance": READ,
    "policies:exceptions": READ,
    "policies:ask": Rule(owners_and_above(200), owners_and_above(422)),
    "policies:decide": Rule(signed_in(405), operators_and_above(303)),
    "policies:end": Rule(signed_in(405), operators_and_above(303)),
    "schedules:list": READ,
    "schedules:schedule": READ,
    "schedules:new": Rule(admins(200), admins(422)),
    "schedules:edit": Rule(admins(200), admins(422)),
    "schedules:switch": Rule(signed_in(405), admins(422)),
    "schedules:move": Rule(signed_in(405), admins(303)),
    # The second time it is gone.
    "schedules:delete": Rule(signed_in(405), admins((303, 404))),
    "schedules:calendars": Rule(signed_in(200), admins(422)),
    "schedules:calendar": Rule(signed_in(200), admins(422)),
    "schedules:holiday_file": Rule(signed_in(405), admins(422)),
    "schedules:delete_days": Rule(signed_in(405), admins(303)),
    "schedules:rename_calendar": Rule(signed_in(405), admins(422)),
    "schedules:delete_calendar": Rule(signed_in(405), admins((303, 404))),
    # The budget in question is for everything: scientists see none.
    "costs:budgets": READ,
    "costs:budget": Rule(signed_in(200, scientist=404, stranger=404), signed_in(405)),
    "costs:new_budget": Rule(operators_and_above(200), operators_and_above(422)),
    "costs:edit_budget": Rule(operators_and_above(200), operators_and_above(422)),
    # The second time it is gone.
    "costs:remove_budget": Rule(signed_in(405), operators_and_above((303, 404))),
    "costs:prices": READ,
    "costs:prices_csv": READ,
    "costs:price": READ,
    "costs:new_price": Rule(admins(200), admins(422)),
    # The second time it is gone.
    "costs:remove_price": Rule(admins((200, 404)), admins((303, 404))),
    "costs:import_prices": Rule(admins(200), admins(422)),
    "costs:fetch_prices": Rule(admins(200), admins(422)),
    # The proposal in question waits for its answer.
    "costs:proposal": Rule(admins(200), admins(200)),
    "costs:fetch_progress": Rule(admins(204), signed_in(405)),
    "digests:preview": READ,
    # By a link of one person, which anyone can open.
    "digests:off": Rule(dict.fromkeys(PEOPLE, 200), dict.fromkeys(PEOPLE, 200)),
    "handover:due": READ,
    "handover:due_changes": POLL,
    "handover:list": READ,
    "handover:new": Rule(operators_and_above(200), operators_and_above(422)),
    # The handover in question is a draft: its page is theirs who write it.
    "handover:handover": Rule(DRAFT_200, signed_in(405)),
    "handover:markdown": Rule(DRAFT_200, signed_in(405)),
    "handover:save": Rule(signed_in(405), operators_and_above(422)),
    "handover:window": Rule(signed_in(405), operators_and_above(422)),
    "handover:add_note": Rule(signed_in(405), operators_and_above((200, 303))),
    "handover:note": Rule(signed_in(405), operators_and_above(422)),
    "handover:remove_note": Rule(signed_in(405), operators_and_above((200, 303))),
    # Nobody has said which version they have read.
    "handover:publish": Rule(operators_and_above(200), operators_and_above(409)),
    "handover:mark_action": Rule(signed_in(405), operators_and_above((200, 303))),
    "handover:take_over": Rule(signed_in(405), drafts_only((200, 303))),
    # The second time it is gone.
    "handover:discard": Rule(signed_in(405), drafts_only((200, 303, 404))),
    "handover:walls": Rule(operators_and_above(200), operators_and_above(422)),
    "handover:wall_link": Rule(operators_and_above(200), operators_and_above(422)),
    "handover:revoke_wall": Rule(signed_in(405), operators_and_above(303)),
    "handover:wall": FOR_SCREENS,
    "handover:wall_changes": FOR_SCREENS,
    "saved:list": READ,
    "saved:new": Rule(signed_in(200), signed_in(422)),
    "saved:set_default": Rule(signed_in(405), signed_in(302)),
    "saved:set_display": Rule(signed_in(405), signed_in(302)),
    # The view in question is shared, and another's.
    "saved:view": Rule(admins(200), admins(422)),
    "saved:delete": Rule(signed_in(405), admins((302, 404))),
    "saved:csv": READ,
    "saved:json": READ,
    "reminders:inbox": READ,
    "reminders:read": Rule(signed_in(405), signed_in(302)),
    # The admin's, which is no event of the team.
    "reminders:acknowledge": Rule(signed_in(405), signed_in(404, admin=403)),
    "reminders:newest": Rule(signed_in(204), signed_in(405)),
    "reminders:on_call": Rule(operators_and_above(200), admins(422)),
    "reminders:settings": Rule(signed_in(200), signed_in(422)),
    # The link is the admin's, about an instance that runs.
    # By a link of one person, which anyone can open; an empty answer is none.
    "reminders:answer": Rule(dict.fromkeys(PEOPLE, 200), dict.fromkeys(PEOPLE, 400)),
    "reminders:act": Rule(signed_in(403, admin=200), signed_in(403, admin=303)),
    "reminders:log": Rule(admins(200), signed_in(405)),
    "reminders:channels": Rule(admins(200), signed_in(405)),
    "reminders:new_channel": Rule(admins(200), admins(422)),
    "reminders:channel": Rule(admins(200), admins(422)),
    "reminders:test_channel": Rule(signed_in(405), admins(302)),
    # The second time it is gone.
    "reminders:remove_channel": Rule(signed_in(405), admins((302, 404))),
    "system:overview": Rule(system_readers(200), signed_in(405)),
    "system:changes": Rule(system_readers((200, 204)), signed_in(405), "layout=x"),
    "system:release_notes": Rule(system_readers(200), signed_in(405)),
    "system:check": Rule(signed_in(405), system_admins(302)),
    "system:test_mail": Rule(signed_in(405), system_admins(302)),
    "system:refresh": Rule(signed_in(405), system_admins(302)),
    "audit:list": Rule(operators_and_above(200) | {"manager": 200}, signed_in(405)),
    "audit:export": Rule(admins(200) | {"manager": 200}, signed_in(405)),
    "people:list": Rule(admins(200), signed_in(405)),
    "people:add": Rule(admins(200), admins(422)),
    "people:person": Rule(admins(200), signed_in(405)),
    "people:import": Rule(admins(200), admins(422)),
    "people:owners": Rule(admins(200), admins(303)),
    "people:teams": Rule(admins(200), signed_in(405)),
    "people:add_team": Rule(admins(200), admins(422)),
    "people:team": Rule(admins(200), admins(422)),
    # The second time it is gone.
    "people:delete_team": Rule(signed_in(405), admins((303, 404))),
    # Without a provider or a mail server there are no such pages.
    "people:sso": Rule(admins(404), signed_in(405)),
    "people:sso_test": Rule(admins(404), signed_in(405)),
    "people:invite": Rule(signed_in(405), admins(404)),
    "people:role": MANAGES,
    "people:cloud_users": MANAGES,
    "people:email": MANAGES,
    "people:active": MANAGES,
    "people:password": MANAGES,
    "people:second_factor": MANAGES,
    "people:sessions": MANAGES,
    # Before one is made, the password is asked for once more.
    "tokens:mine": Rule(signed_in(200), signed_in(302)),
    # The token in question is another's.
    "tokens:revoke": Rule(signed_in(405), signed_in(404, admin=303)),
    "tokens:all": Rule(admins(200), signed_in(405)),
    "api_document": Rule(dict.fromkeys(PEOPLE, 200), dict.fromkeys(PEOPLE, 405)),
    # There are admins, so it is over.
    "setup:account": Rule(dict.fromkeys(PEOPLE, 410), dict.fromkeys(PEOPLE, 410)),
    "setup:clouds": Rule(admins(200), admins(422)),
    "setup:clouds_changes": Rule(admins(200), signed_in(405)),
    "setup:new": Rule(admins(200), admins(422)),
    # There is none: back to the form.
    "setup:test": Rule(admins(302), signed_in(405)),
    "setup:test_changes": Rule(admins(200), signed_in(405)),
    "setup:ready": Rule(admins(200), signed_in(405)),
    "setup:ready_changes": Rule(admins(200), signed_in(405)),
    "javascript_catalog": Rule(dict.fromkeys(PEOPLE, 200), dict.fromkeys(PEOPLE, 405)),
    "metrics:healthz": FOR_MACHINES,
    "metrics:readyz": FOR_MACHINES,
    "metrics:seen": FOR_DOCTOR,
    "metrics:metrics": FOR_MACHINES,
}

API_METHODS = ("get", "post", "patch", "put", "delete")


def with_token(status: Any, **others: Any) -> dict[str, Any]:
    """The same for everybody whose account, and so whose token, is in use."""
    return signed_in(status, anonymous=401, deactivated=401, **others)


def api_owners(status: Any) -> dict[str, Any]:
    """For those who may act on the instance."""
    return with_token(status, viewer=403, stranger=403)


def api_operators(status: Any) -> dict[str, Any]:
    """For operators and admins."""
    return with_token(status, viewer=403, stranger=403, scientist=403)


def api_admins(status: Any) -> dict[str, Any]:
    """For admins."""
    return api_operators(status) | {"operator": 403}


API_READ = {"get": with_token(200)}
# An empty body is none, from anyone.
API_OVERRIDE = {"post": with_token(422), "delete": api_owners(204)}
API_SCHEDULES = API_READ | {"post": with_token(422)}
API_SCHEDULE = API_READ | {"put": with_token(422), "delete": api_admins(204)}
API_PRICES = API_READ | {"post": with_token(422)}
API_CALENDAR = {"put": with_token(422), "delete": with_token(403, admin=(204, 404))}
API: dict[str, dict[str, dict[str, Any]]] = {
    "api:list_instances": API_READ,
    "api:get_instance": API_READ | {"patch": api_owners(204)},
    "api:change_instance": API_READ | {"patch": api_owners(204)},
    # The instance runs: there is nothing to start, but who asks is judged first.
    "api:start_instance": {"post": api_owners(409)},
    "api:stop_instance": {"post": api_owners(202)},
    # The old API extends no run.
    "api:extend_instance": {"post": api_owners(409)},
    "api:restart_instance": {"post": api_owners(202)},
    "api:set_override": API_OVERRIDE,
    "api:end_override": API_OVERRIDE,
    "api:list_schedules": API_SCHEDULES,
    "api:create_schedule": API_SCHEDULES,
    "api:get_schedule": API_SCHEDULE,
    "api:replace_schedule": API_SCHEDULE,
    "api:delete_schedule": API_SCHEDULE,
    "api:switch_schedule": {"post": with_token(422)},
    "api:move_schedule": {"post": with_token(422)},
    "api:list_holidays": API_READ,
    "api:replace_holidays": API_CALENDAR,
    "api:delete_holidays": API_CALENDAR,
    "api:list_policies": API_READ,
    "api:list_overrides": API_READ,
    "api:get_costs": API_READ,
    "api:list_runs": API_READ,
    "api:get_savings": API_READ,
    "api:list_prices": API_PRICES,
    "api:set_price": API_PRICES,
    "api:remove_price": {"delete": with_token(403, admin=(204, 404))},
    "api:list_budgets": API_READ,
    "api:list_edits": API_READ,
    "api:get_edit": API_READ,
    "api:cancel_edit": {"post": api_owners(409)},
    "api:retry_edit": {"post": api_owners((202, 409))},
    "api:undo_edit": {"post": api_owners(409)},
    "api:list_questions": API_READ,
    "api:answer_question": {"post": with_token(422)},
    # Nothing is said, so nobody can tell whether it would be theirs to do.
    "api:preview_bulk": {"post": with_token(422)},
    "api:confirm_bulk": {"post": with_token(422)},
    "api:approve_bulk": {"post": with_token(422)},
    "api:decline_bulk": {"post": with_token(409, viewer=403)},
    "api:list_batches": API_READ,
    "api:get_batch": API_READ,
    "api:list_batch_edits": API_READ,
    "api:cancel_batch": {"post": api_operators(200)},
    "api:retry_batch": {"post": api_operators(409)},
    "api:undo_batch": {"post": api_operators(409)},
    "api:list_due": API_READ,
    "api:list_clouds": API_READ,
    "api:get_me": API_READ,
    "api:list_audit_events": {"get": api_operators(200) | {"manager": 200}},
}
"""What the API answers to an empty body: by method and person. Others are 405."""

OWN_ACCOUNT = ("account_", "mfa_", "usersessions_", "socialaccount_", "openid_connect_")
"""Pages of one's own account, by django-allauth: so their names begin. They act on the
account of the session and take no other's id."""


def routes() -> Iterator[tuple[str, frozenset[str]]]:
    """Name, with its namespaces, and the arguments of each route."""
    yield from _walk(get_resolver().url_patterns, (), frozenset())


def _walk(
    patterns: list[Any], spaces: tuple[str, ...], above: frozenset[str]
) -> Iterator[tuple[str, frozenset[str]]]:
    for each in patterns:
        # A path names its arguments as converters, an older pattern as groups.
        named = each.pattern.converters or each.pattern.regex.groupindex
        arguments = above | frozenset(named)
        if isinstance(each, URLResolver):
            inner = (*spaces, each.namespace) if each.namespace else spaces
            yield from _walk(each.url_patterns, inner, arguments)
        else:
            yield ":".join((*spaces, each.name or str(each.pattern))), arguments


def is_api(name: str) -> bool:
    """Whether a route belongs to the API, which takes tokens only."""
    return name.startswith("api:")


def is_own_account(name: str) -> bool:
    """Whether a route belongs to the pages of one's own account."""
    return name.startswith(OWN_ACCOUNT)
