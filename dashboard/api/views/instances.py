import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any
from uuid import UUID

from django import forms
from django.db import IntegrityError, models
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from ninja import Router
from ninja.params import BodyEx, HeaderEx
from ninja.responses import Status

from dashboard.accounts.permissions import can_edit
from dashboard.api import bodies, schemas, serializers
from dashboard.api.auth import READ, WRITE
from dashboard.api.change_input import (
    read_change,
    read_extension,
    read_moment,
    read_start,
)
from dashboard.api.http import TokenRequest
from dashboard.api.problems import ProblemError, invalid
from dashboard.api.queries import Page, Query
from dashboard.edits import keeping, messages, services
from dashboard.edits.models import Edit
from dashboard.edits.selectors import start_after
from dashboard.edits.snapshot import FormSnapshot, LeaseSnapshot, SnapshotError
from dashboard.instances import availability, tasks
from dashboard.instances.activity import PER_PAGE
from dashboard.instances.edit_states import EditKind
from dashboard.instances.filters import InstanceFilter, ListForm, ListQuery
from dashboard.instances.models import FleetVersion, Instance
from dashboard.instances.selectors import freshness, rows, with_news
from dashboard.schedules import overrides
from dashboard.schedules.models import Override
from dashboard.web import converters as converters  # registers {name:…}

router = Router(tags=["instances"])

NOT_YOURS = "You can view this instance but not change it."


class SinceForm(forms.Form):
    since = forms.IntegerField(min_value=0, max_value=2**63 - 1, required=False)


LIST = Query(InstanceFilter, ListForm, SinceForm)
Key = Annotated[
    str,
    HeaderEx(
        alias="Idempotency-Key",
        max_length=200,
        description="Any text. Sending the same request with the same key again "
        "creates no other edit.",
    ),
]
StartBody = Annotated[bodies.Start, BodyEx(default_factory=bodies.Start)]
"""A body that may be left out."""

ACCEPTED: dict[int, Any] = {202: schemas.Edit, 200: schemas.Edit}
RESTART_ACCEPTED: dict[int, Any] = {202: schemas.Restart, 200: schemas.Restart}
RESTART = "restart"


@router.get("", auth=READ, response={200: schemas.Instances, 204: None})
@LIST
def list_instances(request: TokenRequest) -> Any:
    """List instances, with the filters and sort orders of the web page.

    With `since`, the `version` of an earlier response: 204 if the fleet has not changed
    since then. A page past the end is empty.
    """
    params = LIST.read(request)
    # Read before the rows: a change in between is then reported twice, never missed.
    version = FleetVersion.current()
    if params["since"] == version:
        return Status(204, None)
    now = timezone.now()
    query = ListQuery(request.GET)
    queryset = query.apply(Instance.objects.visible_to(request.user), user=request.user)
    page = Page(with_news(queryset, now).defer("document", "search_text"), params)
    items = map(serializers.instance, rows(page.items, user=request.user, now=now))
    fleet = {"version": version, "as_of": freshness(now).as_of}
    return page.response(items) | fleet


@router.get(
    "/{name:cloud}/{name:instance_id}", auth=READ, response=schemas.InstanceDetail
)
def get_instance(request: TokenRequest, cloud: str, instance_id: str) -> Any:
    """Return everything known about one instance except its secrets."""
    instance = _instance(request, cloud, instance_id)
    tasks.request_refresh(instance)
    (row,) = rows([instance], user=request.user, now=timezone.now())
    edits = instance.edits.select_related("actor", "instance__cloud")
    return serializers.detail(
        row,
        user=request.user,
        seen=FormSnapshot.now(instance).token(instance),
        lease_seen=_lease_seen(instance),
        events=list(instance.events.select_related("actor")[:PER_PAGE]),
        edits=list(edits.fetch_mode(models.FETCH_PEERS)[:PER_PAGE]),
    )


def _lease_seen(instance: Instance) -> str:
    if not instance.capabilities.has_lease:
        return ""
    return LeaseSnapshot.now(instance).token(instance)


@router.patch(
    "/{name:cloud}/{name:instance_id}", auth=WRITE, response=ACCEPTED | {204: None}
)
def change_instance(
    request: TokenRequest,
    response: HttpResponse,
    cloud: str,
    instance_id: str,
    change: bodies.Change,
    idempotency_key: Key = "",
) -> Any:
    """Change settings; fields that are not sent stay as they are.

    202 with the edit, which a worker delivers; 204 if the instance already has all
    values. With `seen`: 409 with both values if someone has changed the same fields
    since. With an `Idempotency-Key` that was sent before: 200 with the first edit.
    """
    instance = _instance(request, cloud, instance_id)
    _require_right(request, instance)
    sent = change.model_dump()
    digest = _digest(instance, Edit.Kind.UPDATE, sent)
    if earlier := _earlier(request, idempotency_key, digest):
        return Status(200, earlier)
    if why_not := availability.why_not_editable(instance):
        raise ProblemError("not-now", str(why_not))
    try:
        patch, snapshot = read_change(instance, sent)
    except SnapshotError:
        raise _unusable_seen(FormSnapshot.now(instance).token(instance)) from None
    if not patch:
        return Status(204, None)
    with _conflicts_as_problems(instance):
        edit = services.submit_edit(
            instance=instance,
            actor=request.user,
            patch=patch,
            base=snapshot.settings.as_dict(),
            key=idempotency_key or (snapshot.nonce if "seen" in sent else ""),
            once=bool(idempotency_key),
            request_digest=digest,
        )
    return _accepted(request, response, edit, digest)


@router.post("/{name:cloud}/{name:instance_id}/start", auth=WRITE, response=ACCEPTED)
def start_instance(
    request: TokenRequest,
    response: HttpResponse,
    cloud: str,
    instance_id: str,
    body: StartBody,
    idempotency_key: Key = "",
) -> Any:
    """Start an instance. 202 with the edit; see `change_instance`."""
    instance = _instance(request, cloud, instance_id)
    sent = body.model_dump()
    return _power(request, response, instance, Edit.Kind.START, idempotency_key, sent)


@router.post("/{name:cloud}/{name:instance_id}/extend", auth=WRITE, response=ACCEPTED)
def extend_instance(
    request: TokenRequest,
    response: HttpResponse,
    cloud: str,
    instance_id: str,
    extension: bodies.Extension,
    idempotency_key: Key = "",
) -> Any:
    """Give the current run of a notebook another end, which cannot be earlier.

    202 with the edit; see `change_instance`. The edit stores the end as a moment:
    delivering it late or twice does not extend the run twice. 409 if this run cannot be
    extended; `why_not_extend` says why.
    """
    instance = _instance(request, cloud, instance_id)
    _require_right(request, instance)
    sent = extension.model_dump()
    digest = _digest(instance, Edit.Kind.EXTEND, sent)
    if earlier := _earlier(request, idempotency_key, digest):
        return Status(200, earlier)
    if why_not := availability.why_not_extendable(instance):
        raise ProblemError("not-now", str(why_not))
    try:
        patch, snapshot = read_extension(instance, sent)
    except SnapshotError:
        raise _unusable_seen(LeaseSnapshot.now(instance).token(instance)) from None
    with _conflicts_as_problems(instance, LeaseSnapshot):
        edit = services.submit_extension(
            instance=instance,
            actor=request.user,
            patch=patch,
            base=snapshot.base,
            key=idempotency_key or (snapshot.nonce if "seen" in sent else ""),
            once=bool(idempotency_key),
            request_digest=digest,
        )
    return _accepted(request, response, edit, digest)


@router.post("/{name:cloud}/{name:instance_id}/stop", auth=WRITE, response=ACCEPTED)
def stop_instance(
    request: TokenRequest,
    response: HttpResponse,
    cloud: str,
    instance_id: str,
    idempotency_key: Key = "",
) -> Any:
    """Stop an instance. Files outside its work directory are lost.

    202 with the edit; see `change_instance`.
    """
    instance = _instance(request, cloud, instance_id)
    return _power(request, response, instance, Edit.Kind.STOP, idempotency_key, {})


@router.post(
    "/{name:cloud}/{name:instance_id}/restart", auth=WRITE, response=RESTART_ACCEPTED
)
def restart_instance(
    request: TokenRequest,
    response: HttpResponse,
    cloud: str,
    instance_id: str,
    idempotency_key: Key = "",
) -> Any:
    """Stop an instance and start it again, so that its new auto-stop applies.

    202 with the stop, whose `start` follows it; see `change_instance`. Files outside
    the work directory are lost. 409 where each start has its own run time.
    """
    instance = _instance(request, cloud, instance_id)
    _require_right(request, instance)
    digest = _digest(instance, RESTART, {})
    if earlier := _earlier(request, idempotency_key, digest):
        return Status(200, earlier | _start_after(earlier["id"]))
    why_not = availability.why_not_stoppable(instance)
    if not why_not and not instance.capabilities.has_auto_stop_setting:
        why_not = messages.NO_RESTART_NEEDED()
    if why_not:
        raise ProblemError("not-now", str(why_not))
    with _conflicts_as_problems(instance):
        edit = services.submit_restart(
            instance=instance,
            actor=request.user,
            key=idempotency_key,
            once=bool(idempotency_key),
            request_digest=digest,
        )
    accepted = _accepted(request, response, edit, digest)
    return Status(202, accepted.value | _start_after(edit.pk))


def _start_after(stop: UUID) -> dict[str, Any]:
    start = start_after(stop)
    return {"start": start.pk if start else None}


@router.post(
    "/{name:cloud}/{name:instance_id}/override",
    auth=WRITE,
    response={201: schemas.Override},
)
def set_override(
    request: TokenRequest, cloud: str, instance_id: str, body: bodies.NewOverride
) -> Any:
    """Override the schedules of an instance for some time; an earlier one is replaced.

    201 with the override. `keep` also extends the run of a notebook, by edits. 422 with
    the latest possible moment if policies do not allow it.
    """
    instance = _instance(request, cloud, instance_id)
    _require_right(request, instance)
    sent = body.model_dump()
    if sent["kind"] not in Override.Kind.values:
        kinds = ", ".join(Override.Kind.values)
        raise invalid({"kind": [f"Send one of {kinds}."]})
    until = read_moment(sent["until"], "until") if "until" in sent else None
    reason = sent.get("reason", "")
    if len(reason) > 300:
        raise invalid({"reason": ["At most 300 characters."]})
    if why_not := availability.why_not_editable(instance):
        raise ProblemError("not-now", str(why_not))
    try:
        override, _edit = keeping.start_override(
            instance=instance,
            actor=request.user,
            kind=sent["kind"],
            until=until,
            starts_again=sent.get("starts_again", False),
            reason=reason,
        )
    except overrides.BeyondPoliciesError as error:
        field = "reason" if error.needs_reason else "until"
        raise invalid({field: [str(error)]}) from None
    except overrides.OverrideError as error:
        raise invalid({"until": [str(error)]}) from None
    return Status(201, override)


@router.delete(
    "/{name:cloud}/{name:instance_id}/override", auth=WRITE, response={204: None}
)
def end_override(request: TokenRequest, cloud: str, instance_id: str) -> Any:
    """End the override of an instance. 204 also if it has none."""
    instance = _instance(request, cloud, instance_id)
    _require_right(request, instance)
    current = overrides.overrides_of([instance], timezone.now()).get(instance.pk)
    if current is not None:
        # Else it has just ended.
        with suppress(overrides.OverrideError):
            overrides.end_override(override=current, actor=request.user)
    return Status(204, None)


def _power(
    request: TokenRequest,
    response: HttpResponse,
    instance: Instance,
    kind: EditKind,
    key: str,
    sent: dict[str, Any],
) -> Any:
    _require_right(request, instance)
    digest = _digest(instance, kind, sent)
    if earlier := _earlier(request, key, digest):
        return Status(200, earlier)
    starts = kind == Edit.Kind.START
    why_not = (
        availability.why_not_startable if starts else availability.why_not_stoppable
    )(instance)
    if why_not:
        raise ProblemError("not-now", str(why_not))
    patch = read_start(instance, sent)
    with _conflicts_as_problems(instance):
        edit = services.submit_power(
            instance=instance,
            actor=request.user,
            kind=kind,
            patch=patch,
            key=key,
            once=bool(key),
            request_digest=digest,
        )
    return _accepted(request, response, edit, digest)


def _instance(request: TokenRequest, cloud: str, instance_id: str) -> Instance:
    # PostgreSQL rejects NUL in a parameter.
    queryset = Instance.objects.visible_to(request.user)
    return get_object_or_404(
        with_news(queryset, timezone.now()),
        cloud__name=cloud.replace("\0", ""),
        instance_id=instance_id.replace("\0", ""),
    )


def _require_right(request: TokenRequest, instance: Instance) -> None:
    if not can_edit(request.user, instance.owner):
        raise ProblemError("forbidden", NOT_YOURS)


def _earlier(request: TokenRequest, key: str, digest: str) -> dict[str, Any] | None:
    """Return the edit of an earlier request with this idempotency key.

    Raises:
        ProblemError: That request was another one.
    """
    edit = services.earlier_edit(actor=request.user, key=key) if key else None
    return _edit(request, edit, digest) if edit else None


def _digest(instance: Instance, kind: str, sent: dict[str, Any]) -> str:
    """Return a hash of what the request asks for, and of which instance."""
    content = json.dumps([instance.pk, kind, sent], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _accepted(
    request: TokenRequest, response: HttpResponse, edit: Edit, digest: str
) -> Any:
    # Another request with this key may have arrived after the lookup.
    content = _edit(request, edit, digest)
    response.headers["Location"] = reverse("api:get_edit", args=[edit.pk])
    return Status(202, content)


def _edit(request: TokenRequest, edit: Edit, digest: str) -> dict[str, Any]:
    if edit.request_digest != digest:
        raise ProblemError("key-reused")
    return serializers.edit(edit, user=request.user)


def _unusable_seen(current: str) -> ProblemError:
    return ProblemError(
        "conflict",
        "“seen” belongs to another instance, or is older than a day.",
        seen=current,
        differences=[],
    )


@contextmanager
def _conflicts_as_problems(
    instance: Instance, snapshot: type[FormSnapshot | LeaseSnapshot] = FormSnapshot
) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise ProblemError("key-reused") from None
    except services.EditConflictError as conflict:
        differences = [
            {
                "field": serializers.NAMES.get(difference.field, difference.field),
                "seen": difference.base,
                "now": difference.current,
                "requested": difference.requested,
            }
            for difference in conflict.differences
        ]
        seen = snapshot.now(instance).token(instance)
        raise ProblemError("conflict", differences=differences, seen=seen) from None
