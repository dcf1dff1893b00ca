"""Many rows in one statement are those that one at a time would be."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.forms import model_to_dict
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits.models import Edit, EditQueue
from dashboard.web.bulk_insert import insert_rows
from dashboard.web.stored_messages import verbatim
from tests import factories

VALUES: list[dict[str, Any]] = [
    {},
    {"description": "“Grün”, it's 100 % ; \\ \n\t 𝄞"},
    {"tags": {"team": "nlp", "": ""}, "auto_stop_enable": False},
    {"stop_timestamp_ms": 1_796_126_502_751, "lease_type": None, "hours": 1.5},
]


def test_rows_are_those_of_single_insertions(operator: User) -> None:
    instances = [factories.make_instance() for _ in range(2 * len(VALUES))]
    alone, together = instances[: len(VALUES)], instances[len(VALUES) :]
    shared = {
        "actor": operator,
        "kind": Edit.Kind.UPDATE,
        "message": verbatim("Ü"),
        "deadline_at": timezone.now() + timedelta(hours=1),
        "not_before": None,
    }
    first = Edit.objects.create(
        instance=alone[0], seq=9, idempotency_key="first", **shared
    )
    for instance, values in zip(alone, VALUES, strict=True):
        Edit.objects.create(
            instance=instance,
            seq=7,
            base=values,
            retry_of_id=first.pk,
            **shared,
            idempotency_key=f"alone{instance.pk}",
        )
    pks = [uuid4() for _ in VALUES]
    names = ("id", "instance_id", "seq", "base", "retry_of_id", "idempotency_key")
    insert_rows(
        Edit(**shared),
        names,
        (
            (pk, instance.pk, 7, values, first.pk, f"together{instance.pk}")
            for pk, instance, values in zip(pks, together, VALUES, strict=True)
        ),
    )
    own = {"instance", "idempotency_key"}
    for one, other, pk in zip(alone, together, pks, strict=True):
        expected, found = Edit.objects.get(instance=one, seq=7), Edit.objects.get(pk=pk)
        assert found.instance == other
        assert model_to_dict(found, exclude=own) == model_to_dict(expected, exclude=own)
        assert (found.created_at - expected.created_at) < timedelta(minutes=1)


@pytest.mark.django_db
def test_a_row_that_exists_stays_if_conflicts_are_ignored() -> None:
    here, new = factories.make_instance(), factories.make_instance()
    EditQueue.objects.create(instance=here, next_seq=5)
    rows = [[here.pk], [new.pk]]
    insert_rows(EditQueue(), ["instance_id"], rows, ignore_conflicts=True)
    places = dict(EditQueue.objects.values_list("instance_id", "next_seq"))
    assert places == {here.pk: 5, new.pk: 1}


@pytest.mark.django_db
def test_no_field_is_left_out_unnoticed() -> None:
    with pytest.raises(ValueError, match="instance: no columns"):
        insert_rows(EditQueue(), ["instance"], [[1]])
