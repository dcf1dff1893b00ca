"""Clouds that are removed, renamed or called something odd."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from dashboard.audit.models import AuditEvent
from dashboard.costs.models import (
    Allocation,
    Budget,
    Gap,
    Price,
    RollUp,
    Run,
    UsageDay,
)
from dashboard.costs.periods import custom, day_of
from dashboard.costs.recorder import record_gap
from dashboard.costs.rollup import roll_up
from dashboard.costs.usage import Reading, Scope, Usage, report
from dashboard.edits.services import submit_power
from dashboard.emulator import Emulator
from dashboard.instances import tasks, upstream
from dashboard.instances.models import Cloud, Instance
from dashboard.instances.refresh import ensure_clouds, refresh_cloud
from dashboard.instances.selectors import freshness
from dashboard.modelarts.errors import ConfigurationError
from dashboard.reminders.models import Preferences
from dashboard.web.stored_messages import Message, verbatim
from tests.costs.prices import DAY, GPU, make_price


class CloudsFile:
    """The ``clouds.yaml`` of the test, to be rewritten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (self.entry,) = yaml.safe_load(path.read_text())["clouds"].values()

    def describe(self, *names: str) -> None:
        """Describe the emulated cloud under each of these names."""
        text = yaml.safe_dump({"clouds": dict.fromkeys(names, self.entry)})
        self.path.write_text(text)
        upstream.forget_clients()


@pytest.fixture
def clouds_file(
    empty_cloud: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CloudsFile:
    # What the task queues is none of its business here.
    monkeypatch.setattr(tasks.refresh_cloud, "apply_async", lambda **_: None)
    monkeypatch.setattr(tasks.refresh_expected_changes, "apply_async", lambda **_: None)
    return CloudsFile(tmp_path / "clouds.yaml")


@pytest.fixture
def two_clouds(clouds_file: CloudsFile) -> CloudsFile:
    clouds_file.describe("prod", "lab")
    call_command("refresh")
    return clouds_file


def roll_up_days(cloud: Cloud) -> None:
    """Store the sums of a cloud as if its instances had been there for a week."""
    past = timezone.now() - 7 * DAY
    cloud.instances.update(first_seen_at=past)
    oldest = Run.objects.filter(allocation__cloud=cloud).order_by("pk")
    oldest.update(started_at=past)
    for _ in range(2):
        roll_up(timezone.now())


def usage_of_past_days() -> Usage:
    now = timezone.now()
    period = custom(day_of(now - 6 * DAY), day_of(now - 4 * DAY))
    return report(Reading(period, Scope(), now), "cloud").total


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def test_a_removed_cloud_is_shown_everywhere_and_ages_nothing(
    two_clouds: CloudsFile, client: Client, operator: Any
) -> None:
    two_clouds.describe("prod")
    Cloud.objects.filter(name="lab").update(problem=verbatim("It was ill before."))
    tasks.refresh_due_clouds()
    lab = Cloud.objects.get(name="lab")
    assert lab.unconfigured_since is not None
    assert not lab.problem
    Cloud.objects.filter(name="lab").update(
        refreshed_at=timezone.now() - hours(5), problem=verbatim("It was ill before.")
    )

    assert freshness(timezone.now()).age == "fresh"
    answer = client.get("/readyz").json()
    assert answer["ready"] is False or list(answer["mirror_age_seconds"]) == ["prod"]
    assert any("lab left the configuration" in notice for notice in answer["notices"])
    metrics = client.get("/metrics").text
    assert 'curfew_cloud_removed{cloud="lab"} 1.0' in metrics
    assert 'curfew_mirror_age_seconds{cloud="lab"}' not in metrics
    client.force_login(operator)
    page = client.get("/instances/").text
    assert "This cloud was removed from the configuration" in page
    assert "It was ill before." not in page
    instance = Instance.objects.filter(cloud=lab, status="RUNNING").first()
    assert instance is not None
    assert "edit-button" not in client.get(instance.get_absolute_url()).text
    refused = client.get(f"{instance.get_absolute_url()}stop/").text
    assert "no longer configured in Curfew" in refused


def test_a_removed_cloud_is_retired_after_its_grace(
    two_clouds: CloudsFile, client: Client, viewer: Any
) -> None:
    two_clouds.describe("prod")
    tasks.refresh_due_clouds()
    for passed, running in ((23, True), (25, False)):
        Cloud.objects.filter(name="lab").update(
            unconfigured_since=timezone.now() - hours(passed)
        )
        tasks.refresh_due_clouds()
        left = Instance.objects.filter(cloud__name="lab", missing_since=None)
        assert left.exists() is running
    assert Cloud.objects.get(name="lab").retired_at is not None
    assert [cloud.name for cloud in freshness(timezone.now()).clouds] == ["prod"]
    metrics = client.get("/metrics").text
    assert "curfew_cloud_removed{" in metrics
    for name in ("instances", "mirror_age_seconds", "mirror_problem", "cloud_removed"):
        assert f'curfew_{name}{{cloud="lab"' not in metrics
    assert client.get("/readyz").json()["notices"] == []
    event = AuditEvent.objects.get(action="cloud.retired")
    assert event.after == {"instances": 40}
    runs = Run.objects.filter(instance__cloud__name="lab")
    assert runs.exists()
    assert not runs.filter(ended_at=None).exists()
    assert runs.filter(end_status="", ended_by=Run.EndedBy.UNKNOWN).exists()
    assert Run.objects.filter(instance__cloud__name="prod", ended_at=None).exists()
    client.force_login(viewer)
    instance = Instance.objects.filter(cloud__name="lab").first()
    assert instance is not None
    assert "No longer synced." in client.get(instance.get_absolute_url()).text


def test_a_cloud_that_is_back_is_read_as_before(two_clouds: CloudsFile) -> None:
    two_clouds.describe("prod")
    tasks.refresh_due_clouds()
    call_command("cloud", "retire", "lab")
    two_clouds.describe("prod", "lab")
    tasks.refresh_due_clouds()
    lab = Cloud.objects.get(name="lab")
    assert (lab.unconfigured_since, lab.retired_at) == (None, None)
    refresh_cloud("lab")
    assert not lab.instances.exclude(missing_since=None).exists()


def test_a_configuration_that_cannot_be_read_removes_nothing(
    two_clouds: CloudsFile, client: Client, viewer: Any
) -> None:
    two_clouds.path.write_text("clouds:\n  lab:\n\tauth:\n")
    upstream.forget_clients()
    tasks.refresh_due_clouds()
    assert not Cloud.objects.exclude(unconfigured_since=None).exists()
    for cloud in Cloud.objects.all():
        assert "clouds.yaml" in str(cloud.problem)
        assert cloud.problem_since is not None
    client.force_login(viewer)
    assert 'id="troubles"' in (page := client.get("/instances/").text)
    assert "clouds.yaml" in page
    two_clouds.describe("prod", "lab")
    call_command("refresh")
    assert not Cloud.objects.exclude(problem=Message()).exists()


def test_a_renamed_cloud_keeps_its_instances_and_their_history(
    clouds_file: CloudsFile, operator: Any
) -> None:
    clouds_file.describe("old")
    call_command("refresh")
    instance = Instance.objects.filter(status="RUNNING").first()
    assert instance is not None
    edit = submit_power(instance=instance, actor=operator, kind="stop")
    preferences = Preferences.objects.create(
        user=operator, scope="cloud", cloud=Cloud.objects.get()
    )
    clouds_file.describe("new/name")
    # The workers were quicker: everything is listed twice.
    tasks.refresh_due_clouds()
    refresh_cloud("new/name")
    assert Instance.objects.count() == 80
    call_command("cloud", "rename", "old", "new/name")
    assert Instance.objects.count() == 40
    (cloud,) = Cloud.objects.all()
    assert cloud.name == "new/name"
    outcome = refresh_cloud("new/name")
    assert outcome is not None
    assert (outcome.new, outcome.missing, outcome.problem) == (0, 0, Message())
    edit.refresh_from_db()
    assert edit.instance.cloud == cloud
    preferences.refresh_from_db()
    assert preferences.cloud == cloud
    assert AuditEvent.objects.filter(action="cloud.renamed").exists()


def test_a_rename_ahead_of_the_workers_is_just_another_name(
    clouds_file: CloudsFile,
) -> None:
    clouds_file.describe("old")
    call_command("refresh")
    call_command("cloud", "rename", "old", "new")
    clouds_file.describe("new")
    tasks.refresh_due_clouds()
    (cloud,) = Cloud.objects.all()
    assert (cloud.name, cloud.unconfigured_since) == ("new", None)
    assert cloud.instances.count() == 40


def test_a_renamed_cloud_keeps_its_runs_prices_and_budgets(
    clouds_file: CloudsFile,
) -> None:
    clouds_file.describe("old")
    call_command("refresh")
    past = timezone.now() - 5 * DAY
    record_gap(Cloud.objects.get(), past, past + hours(1))
    roll_up_days(Cloud.objects.get())
    assert UsageDay.objects.exists()
    before = usage_of_past_days()
    assert before.unknown
    runs = set(Run.objects.values_list("pk", flat=True))
    clouds_file.describe("new")
    tasks.refresh_due_clouds()
    refresh_cloud("new")
    for cloud in ("old", "new", "other"):
        make_price(cloud=cloud)
    first = make_price(cloud="old", valid_from=make_price().valid_from - DAY)
    budget = Budget.objects.create(
        name="b", kind="cloud", value="old", amount=1, currency="EUR"
    )
    read_at = timezone.now() - hours(2)
    Cloud.objects.filter(name="old").update(read_at=read_at)

    call_command("cloud", "rename", "old", "new")

    new = Cloud.objects.get()
    assert set(Run.objects.values_list("pk", flat=True)) == runs
    assert not Allocation.objects.exclude(cloud=new).exists()
    refresh_cloud("new")
    assert Run.objects.filter(ended_at=None).exists()
    last, kept = Gap.objects.order_by("-since")
    assert (kept.cloud, kept.since) == (new, past)
    assert (last.cloud, last.since) == (new, read_at)
    assert not RollUp.objects.exists()
    first.refresh_from_db()
    budget.refresh_from_db()
    assert (first.cloud, budget.value) == ("new", "new")
    # Of the same day, under both names.
    assert Price.objects.filter(cloud="old", flavor=GPU).count() == 1
    assert Price.objects.filter(cloud="other").count() == 1
    assert not UsageDay.objects.exists()
    Price.objects.all().delete()
    assert usage_of_past_days() == before
    for _ in range(2):
        roll_up(timezone.now())
    assert UsageDay.objects.exists()
    assert usage_of_past_days() == before


def test_runs_and_prices_of_what_stays_are_told_apart(
    clouds_file: CloudsFile, operator: Any
) -> None:
    clouds_file.describe("old")
    call_command("refresh")
    clouds_file.describe("new")
    tasks.refresh_due_clouds()
    refresh_cloud("new")
    instance = Instance.objects.filter(cloud__name="new", status="RUNNING").first()
    assert instance is not None
    submit_power(instance=instance, actor=operator, kind="stop")
    make_price(cloud="old")
    call_command("cloud", "rename", "old", "new")
    for run in Run.objects.select_related("allocation", "instance"):
        assert run.allocation.cloud_id == run.instance.cloud_id
    (left,) = Run.objects.filter(instance__cloud__name="old")
    assert left.end_status == ""
    assert {price.cloud for price in Price.objects.all()} == {"old", "new"}


def test_what_was_changed_under_the_new_name_stays_there(
    clouds_file: CloudsFile, operator: Any
) -> None:
    clouds_file.describe("old")
    call_command("refresh")
    clouds_file.describe("new")
    tasks.refresh_due_clouds()
    refresh_cloud("new")
    instance = Instance.objects.filter(cloud__name="new", status="RUNNING").first()
    assert instance is not None
    submit_power(instance=instance, actor=operator, kind="stop")
    call_command("cloud", "rename", "old", "new")
    assert Cloud.objects.get(name="new").instances.count() == 40
    left = Instance.objects.get(cloud__name="old")
    assert left.instance_id == instance.instance_id
    assert left.missing_since is not None


def test_the_command_says_what_it_refuses(two_clouds: CloudsFile, capsys: Any) -> None:
    for arguments, sentence in (
        (("retire", "lab"), "lab is configured"),
        (("retire", "nowhere"), "there is lab, prod"),
        (("delete", "lab", "--no-input"), "not retired"),
        (("rename", "lab", "lab"), "already"),
        (("rename", "lab", "line\nbreak"), "cannot be the name"),
    ):
        with pytest.raises(CommandError, match=sentence):
            call_command("cloud", *arguments)
    call_command("cloud", "list")
    assert "lab: configured, 40 instances" in capsys.readouterr().out


def test_a_retired_cloud_is_deleted_for_good(
    two_clouds: CloudsFile, operator: Any
) -> None:
    two_clouds.describe("prod")
    tasks.refresh_due_clouds()
    call_command("cloud", "retire", "lab")
    preferences = Preferences.objects.create(
        user=operator, scope="cloud", cloud=Cloud.objects.get(name="lab")
    )
    with pytest.raises(CommandError, match="have them changed first"):
        call_command("cloud", "delete", "lab", "--no-input")
    preferences.delete()
    lab = Cloud.objects.get(name="lab")
    roll_up_days(lab)
    Gap.objects.create(cloud=lab, since=timezone.now(), until=timezone.now())
    make_price(cloud="lab")
    runs = set(Run.objects.filter(instance__cloud__name="prod"))
    assert UsageDay.objects.filter(allocation__cloud=lab).exists()

    call_command("cloud", "delete", "lab", "--no-input")

    assert set(Run.objects.all()) == runs
    for model in (Allocation, Gap, RollUp):
        assert not model.objects.exclude(cloud__name="prod").exists()
    assert not UsageDay.objects.exists()
    assert Price.objects.get().cloud == "lab"
    assert [cloud.name for cloud in Cloud.objects.all()] == ["prod"]
    assert Instance.objects.count() == 40
    assert AuditEvent.objects.filter(action="cloud.deleted").exists()


@pytest.mark.parametrize("name", ["otc/prod", "..", "x?y#z", "lab 2", "Ümläut"])
def test_a_cloud_may_have_any_name_that_can_be_shown(
    clouds_file: CloudsFile, client: Client, operator: Any, name: str
) -> None:
    clouds_file.describe(name)
    call_command("refresh")
    assert client.get("/readyz").status_code == 200
    client.force_login(operator)
    instance = Instance.objects.filter(status="RUNNING").first()
    assert instance is not None
    for address in (
        "/instances/",
        "/due/",
        "/reminders/",
        "/policies/compliance/",
        instance.get_absolute_url(),
        f"{instance.get_absolute_url()}edit/",
        f"{instance.get_absolute_url()}countdown/",
    ):
        assert client.get(address).status_code == 200, address


@pytest.mark.parametrize("name", ["line\nbreak", "  ", "x" * 256])
def test_a_name_that_cannot_be_shown_is_refused_in_one_sentence(
    clouds_file: CloudsFile, name: str
) -> None:
    clouds_file.describe(name)
    with pytest.raises(ConfigurationError, match="Rename it in"):
        ensure_clouds()
    with pytest.raises(CommandError, match="Rename it in"):
        call_command("refresh")
    assert not Cloud.objects.exists()
