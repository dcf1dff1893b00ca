"""Bulk extensions and starts: which instances get one, and why the others do not."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.edits import batches, display, extension, messages, services
from dashboard.edits.models import Edit, EditBatch
from dashboard.edits.plans import BulkChange, BulkContext, Plan, build_plan
from dashboard.instances.messages import CHANGES_THIS_RUN, NOT_EXTENDABLE, NOT_RUNNING
from dashboard.instances.models import Cloud, Instance
from dashboard.policies.models import Rule
from dashboard.web.stored_messages import verbatim
from tests.factories import make_instance, make_notebook

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _cloud(cloud_row: Cloud) -> None:
    Cloud.objects.update(max_run_hours=72, allows_no_auto_stop=True)


def longer(hours: float) -> BulkChange:
    return BulkChange(Edit.Kind.EXTEND, {"hours": hours})


def until(**span: float) -> BulkChange:
    at = timezone.now() + timedelta(**span)
    return BulkChange(Edit.Kind.EXTEND, {"until": at.isoformat()})


def plan_for(actor: User | None, change: BulkChange, *instances: Instance) -> Plan:
    pks = [instance.pk for instance in instances]
    return build_plan(BulkContext(pks, actor=actor, now=timezone.now()), change)


def reason_of(plan: Plan) -> str:
    [skip] = plan.skips
    return skip.reason.code


def confirmed(actor: User, change: BulkChange, *instances: Instance) -> EditBatch:
    draft = batches.draft_batch(
        actor=actor,
        selection=[instance.pk for instance in instances],
        source=verbatim("a test"),
    )
    draft = batches.preview_batch(batch=draft, change=change)
    preview = batches.preview_of(draft)
    return batches.confirm_batch(batch=draft, preview=preview)


def test_each_end_moves_by_so_many_hours(operator: User) -> None:
    near, far = make_notebook(stops_in=5_400), make_notebook(stops_in=20_000)
    plan = plan_for(operator, longer(2), near, far)
    ends = {item.instance: item.patch["stop_timestamp_ms"] for item in plan.items}
    for instance in (near, far):
        assert ends[instance] - instance.stop_timestamp_ms == 2 * 3_600_000
    assert [item.base for item in plan.items] == [
        extension.base_of(item.instance) for item in plan.items
    ]


def test_many_short_extensions_leave_time_for_their_delivery(operator: User) -> None:
    few = [make_notebook(stops_in=60)]
    many = few + [make_notebook(stops_in=60) for _ in range(60)]

    def earliest(*notebooks: Instance) -> int:
        plan = plan_for(operator, longer(0.5), *notebooks)
        return min(int(item.patch["stop_timestamp_ms"]) for item in plan.items)

    assert earliest(*many) > earliest(*few) + 10_000


def test_or_all_end_at_one_moment(operator: User) -> None:
    notebooks = [make_notebook(stops_in=5_400), make_notebook(stops_in=9_000)]
    plan = plan_for(operator, until(hours=6), *notebooks)
    assert len({item.patch["stop_timestamp_ms"] for item in plan.items}) == 1
    assert len(plan.items) == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "STOPPED", "stops_in": None}, NOT_RUNNING),
        ({"idle_seconds": 3_600}, messages.NO_FIXED_END),
        ({"stops_in": 40_000}, messages.LONG_ENOUGH),
    ],
)
def test_reasons_to_skip_a_notebook(
    operator: User, fields: dict[str, Any], reason: Any
) -> None:
    plan = plan_for(operator, until(hours=6), make_notebook(**fields))
    assert reason_of(plan) == reason.code


def test_an_instance_of_the_old_api_is_skipped(operator: User) -> None:
    plan = plan_for(operator, longer(2), make_instance())
    assert reason_of(plan) == NOT_EXTENDABLE.code


def test_one_of_another_person_is_skipped(stranger: User) -> None:
    plan = plan_for(stranger, longer(2), make_notebook())
    assert reason_of(plan) == messages.NOT_YOURS.code


def test_more_than_the_cloud_allows_is_skipped(operator: User) -> None:
    plan = plan_for(operator, longer(71), make_notebook(stops_in=20_000))
    assert reason_of(plan) == messages.CLOUD_MAXIMUM.code


def test_what_a_policy_refuses_is_skipped(operator: User) -> None:
    Rule.objects.create(
        name="short",
        kind=Rule.Kind.MAX_HOURS,
        max_seconds=4 * 3600,
        mode=Rule.Mode.ENFORCE,
    )
    allowed, refused = make_notebook(stops_in=5_400), make_notebook(stops_in=9_000)
    plan = plan_for(operator, longer(1.25), allowed, refused)
    assert [item.instance for item in plan.items] == [allowed]
    assert reason_of(plan) == messages.VIOLATES.code


def test_a_pending_extension_is_long_enough(operator: User) -> None:
    notebook = make_notebook()
    services.submit_extension(
        instance=notebook,
        actor=operator,
        patch=extension.patch_hours(notebook, 8, timezone.now()),
        base=extension.base_of(notebook),
    )
    plan = plan_for(operator, until(hours=6), notebook)
    assert reason_of(plan) == messages.LONG_ENOUGH.code


def test_a_plan_needs_no_more_queries_for_more_notebooks(
    operator: User, django_assert_max_num_queries: Any
) -> None:
    notebooks = [make_notebook() for _ in range(20)]
    with django_assert_max_num_queries(5):
        assert len(plan_for(operator, longer(2), *notebooks).items) == 20


def test_confirmed_edits_ask_for_what_the_preview_showed(operator: User) -> None:
    notebook = make_notebook()
    batch = confirmed(operator, longer(2), notebook)
    [edit] = batch.edits.all()
    assert edit.kind == Edit.Kind.EXTEND
    end = notebook.stop_timestamp_ms + 2 * 3_600_000
    assert edit.patch == {"stop_timestamp_ms": end}
    assert display.batch_change_text(batch) == "Extend each run by 2 h"


def test_what_has_moved_since_the_preview_is_skipped(operator: User) -> None:
    moved, same = make_notebook(), make_notebook()
    draft = batches.draft_batch(
        actor=operator, selection=[moved.pk, same.pk], source=verbatim("a test")
    )
    draft = batches.preview_batch(batch=draft, change=longer(2))
    end_ms = moved.stop_timestamp_ms + 60_000
    Instance.objects.filter(pk=moved.pk).update(stop_timestamp_ms=end_ms)
    batch = batches.confirm_batch(batch=draft, preview=batches.preview_of(draft))
    assert [edit.instance for edit in batch.edits.all()] == [same]
    assert batch.skips.get().reason == messages.CHANGED_SINCE()


class TestStarts:
    RUN = {"auto_stop_enable": True, "auto_stop_duration": 4 * 3600}

    def test_notebooks_get_the_run_time_and_others_their_setting(
        self, operator: User
    ) -> None:
        stopped = {"status": "STOPPED", "stops_in": None}
        notebook, older = make_notebook(**stopped), make_instance(**stopped)
        plan = plan_for(
            operator, BulkChange(Edit.Kind.START, self.RUN), notebook, older
        )
        patches = {item.instance: item.patch for item in plan.items}
        assert patches == {notebook: self.RUN, older: {}}

    def test_a_policy_refuses_a_long_one(self, operator: User) -> None:
        Rule.objects.create(
            name="short",
            kind=Rule.Kind.MAX_HOURS,
            max_seconds=2 * 3600,
            mode=Rule.Mode.ENFORCE,
        )
        notebook = make_notebook(status="STOPPED", stops_in=None)
        plan = plan_for(operator, BulkChange(Edit.Kind.START, self.RUN), notebook)
        assert reason_of(plan) == messages.VIOLATES.code

    def test_the_cloud_refuses_a_longer_one(self, operator: User) -> None:
        notebook = make_notebook(status="STOPPED", stops_in=None)
        run = self.RUN | {"auto_stop_duration": 80 * 3600}
        plan = plan_for(operator, BulkChange(Edit.Kind.START, run), notebook)
        assert reason_of(plan) == messages.RUN_HOURS.code


def test_auto_stop_is_no_setting_of_notebooks(operator: User) -> None:
    change = BulkChange(Edit.Kind.UPDATE, {"auto_stop_enable": True})
    plan = plan_for(operator, change, make_notebook())
    assert reason_of(plan) == CHANGES_THIS_RUN.code
