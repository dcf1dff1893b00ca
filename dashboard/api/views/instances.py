import hashlib
import json
from typing import Annotated, Any

from django import forms
from django.db import IntegrityError, models
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Router
from ninja.params import HeaderEx
from ninja.responses import Status

from dashboard.accounts.permissions import can_edit
from dashboard.api import change_input, schemas, serializers
from dashboard.api.auth import READ, WRITE
from dashboard.api.http import TokenRequest
from dashboard.api.problems import ProblemError
from dashboard.api.queries import Page, Query
from dashboard.edits import services
from dashboard.edits.models import Edit
from dashboard.edits.snapshot import FormSnapshot, SnapshotError
from dashboard.instances import availability, tasks
from dashboard.instances.detail_sections import HISTORY
from dashboard.instances.edit_states import EditKind
from dashboard.instances.filters import InstanceFilter, ListForm, ListQuery
from dashboard.instances.models import FleetVersion, Instance
from dashboard.instances.selectors import freshness, rows, with_news
from dashboard.web import converters as converters  # registers {name:…}

router = Router(tags=["instances"])

NOT_YOURS = "You may look at this instance but not change it."


class SinceForm(forms.Form):
    since = forms.IntegerField(min_value=0, max_value=2**63 - 1, required=False)


LIST = Query(InstanceFilter, ListForm, SinceForm)
Key = Annotated[
    str,
    HeaderEx(
        alias="Idempotency-Key",
        max_length=200,
        description="Any text of your own; the same request with the same key is "
        "one edit, however often it is sent.",
    ),
]

ACCEPTED: dict[int, Any] = {202: schemas.Edit, 200: schemas.Edit}


@router.get(
    "",
    auth=READ,
    response={200: schemas.Instances, 204: None},
    url_name="instances",
    operation_id="list_instances",
    openapi_extra=LIST.openapi,
)
@LIST
def list_instances(request: TokenRequest) -> Any:
    """List instances, with the filters, sort orders and page lengths of the page.

    With `since`, the `version` of an earlier response: 204 when nothing in the fleet
    changed after it. A page past the end is empty.
    """
    params = LIST.read(request)
    # Read before the rows: a change in between is then reported twice, never missed.
    version = FleetVersion.current()
    if params["since"] == version:
        return Status(204, None)
    now = timezone.now()
    query = ListQuery(request.GET)
    queryset = query.apply(Instance.objects.visible_to(request.user))
    page = Page(with_news(queryset, now).defer("document", "search_text"), params)
    return page.head | {
        "version": version,
        "as_of": freshness(now).as_of,
        "items": [
            serializers.instance(row)
            for row in rows(page.items, user=request.user, now=now)
        ],
    }


@router.get(
    "/{name:cloud}/{name:instance_id}",
    auth=READ,
    response=schemas.InstanceDetail,
    url_name="instance",
    operation_id="get_instance",
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
        events=list(instance.events.select_related("actor")[:HISTORY]),
        edits=list(edits.fetch_mode(models.FETCH_PEERS)[:HISTORY]),
    )


@router.patch(
    "/{name:cloud}/{name:instance_id}",
    auth=WRITE,
    response=ACCEPTED | {204: None},
    url_name="instance",
    operation_id="change_instance",
)
def change_instance(
    request: TokenRequest,
    response: HttpResponse,
    cloud: str,
    instance_id: str,
    change: schemas.Change,
    idempotency_key: Key = "",
) -> Any:
    """Change settings; fields that are not sent stay as they are.

    202 with the edit, which a worker delivers; 204 when the instance has all the values
    already. With `seen`: 409 with both values when someone changed the same fields
    since. With an `Idempotency-Key`: 200 with the first edit, however often it is sent.
    """
    instance = _instance(request, cloud, instance_id)
    _require_right(request, instance)
    sent = change.model_dump()
    digest = _digest(instance, Edit.Kind.UPDATE, sent)
    if idempotency_key and (earlier := _earlier(request, idempotency_key)):
        return _again(request, earlier, digest)
    if why_not := availability.why_not_editable(instance):
        raise ProblemError("not-now", str(why_not))
    try:
        patch, snapshot = change_input.ChangeInput(instance, sent).read()
    except SnapshotError:
        raise _too_old(instance) from None
    if not patch:
        return Status(204, None)
    try:
        edit = services.submit_edit(
            instance=instance,
            actor=request.user,
            patch=patch,
            base=snapshot.settings.as_dict(),
            key=idempotency_key or (snapshot.nonce if "seen" in sent else ""),
            once=bool(idempotency_key),
            request_digest=digest,
        )
    except services.EditConflictError as conflict:
        raise _conflict(instance, conflict) from None
    except IntegrityError:
        raise ProblemError("key-reused") from None
    return _accepted(request, response, edit, digest)


@router.post(
    "/{name:cloud}/{name:instance_id}/start",
    auth=WRITE,
    response=ACCEPTED,
    url_name="start",
    operation_id="start_instance",
)
def start_instance(
    request: TokenRequest,
    response: HttpResponse,
    cloud: str,
    instance_id: str,
    idempotency_key: Key = "",
) -> Any:
    """Start an instance. 202 with the edit; see `change_instance`."""
    instance = _instance(request, cloud, instance_id)
    return _power(request, response, instance, Edit.Kind.START, idempotency_key)


@router.post(
    "/{name:cloud}/{name:instance_id}/stop",
    auth=WRITE,
    response=ACCEPTED,
    url_name="stop",
    operation_id="stop_instance",
)
def stop_instance(
    request: TokenRequest,
    response: HttpResponse,
    cloud: str,
    instance_id: str,
    idempotency_key: Key = "",
) -> Any:
    """Stop an instance. Everything outside its work directory is lost.

    202 with the edit; see `change_instance`.
    """
    instance = _instance(request, cloud, instance_id)
    return _power(request, response, instance, Edit.Kind.STOP, idempotency_key)


def _power(
    request: TokenRequest,
    response: HttpResponse,
    instance: Instance,
    kind: EditKind,
    key: str,
) -> Any:
    _require_right(request, instance)
    digest = _digest(instance, kind, {})
    if key and (earlier := _earlier(request, key)):
        return _again(request, earlier, digest)
    starts = kind == Edit.Kind.START
    why_not = (
        availability.why_not_startable if starts else availability.why_not_stoppable
    )(instance)
    if why_not:
        raise ProblemError("not-now", str(why_not))
    try:
        edit = services.submit_power(
            instance=instance,
            actor=request.user,
            kind=kind,
            key=key,
            once=bool(key),
            request_digest=digest,
        )
    except services.EditConflictError as conflict:
        raise _conflict(instance, conflict) from None
    except IntegrityError:
        raise ProblemError("key-reused") from None
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


def _earlier(request: TokenRequest, key: str) -> Edit | None:
    return services.earlier_edit(actor=request.user, key=key)


def _digest(instance: Instance, kind: EditKind, sent: dict[str, Any]) -> str:
    """Return a hash of what the request asks for, and of which instance."""
    content = json.dumps([instance.pk, kind, sent], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _again(request: TokenRequest, earlier: Edit, digest: str) -> Any:
    """Return the edit of the first response if this is the same request again."""
    _require_same(earlier, digest)
    return Status(200, serializers.edit(earlier, user=request.user))


def _accepted(
    request: TokenRequest, response: HttpResponse, edit: Edit, digest: str
) -> Any:
    # Another request with this key may have arrived after the lookup.
    _require_same(edit, digest)
    response.headers["Location"] = f"/api/v1/edits/{edit.pk}"
    return Status(202, serializers.edit(edit, user=request.user))


def _require_same(edit: Edit, digest: str) -> None:
    if edit.request_digest != digest:
        raise ProblemError("key-reused")


def _too_old(instance: Instance) -> ProblemError:
    return ProblemError(
        "conflict",
        "“seen” is of another instance, or older than a day.",
        seen=FormSnapshot.now(instance).token(instance),
        differences=[],
    )


def _conflict(instance: Instance, conflict: services.EditConflictError) -> ProblemError:
    return ProblemError(
        "conflict",
        differences=[
            {
                "field": serializers.NAMES.get(difference.field, difference.field),
                "seen": difference.base,
                "now": difference.now,
                "requested": difference.requested,
            }
            for difference in conflict.differences
        ],
        seen=FormSnapshot.now(instance).token(instance),
    )
