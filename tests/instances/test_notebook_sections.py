"""The sections of the page of a notebook."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

from dashboard.instances import detail_sections
from dashboard.instances.mapping import columns
from dashboard.instances.models import Cloud, Instance
from dashboard.modelarts.notebook_schemas import Notebook

DOCUMENTS = Path(__file__).parent.parent / "contract" / "documents"
NOW = datetime(2026, 7, 25, 2, 53, tzinfo=UTC)


def a_notebook(name: str, has_tags: bool = False, **members: Any) -> Instance:
    """A notebook as the refresh would store this sample, changed as given."""
    sample = json.loads((DOCUMENTS / f"{name}.json").read_text())
    wire = Notebook.model_validate(sample | members)
    values = columns(wire, skew_ms=0, known=None, now=NOW)
    cloud = Cloud(name="demo", has_tags=has_tags)
    return Instance(cloud=cloud, instance_id=wire.id, first_seen_at=NOW, **values)


def full(**changes: Any) -> Instance:
    return a_notebook("notebooks-2026/composed-notebook-2026-all-members", **changes)


def shown(instance: Instance) -> dict[str, dict[str, Any]]:
    return {
        section.title: {item.label: item.text or item.at for item in section.items}
        for section in detail_sections.sections(instance)
    }


def test_every_member_that_is_not_secret_is_shown() -> None:
    sections = shown(full())
    assert sections["Hardware"] == {
        "Flavor": "example.node.flavor",
        "Type": "GPU",
        "CPUs": "8",
        "GPUs": "1",
        "GPU type": "example",
        "Memory": "32 GiB",
        "Architecture": "X86_64",
    }
    assert sections["Image"] == {
        "Name": "Example",
        "Version": "1.0",
        "Type": "Built in",
        "Architecture": "X86_64",
        "Image ID": "00000000-0000-0000-0000-0000000000bb",
        "JupyterLab": "3.2.3",
    }
    assert sections["Storage"] == {
        "Type": "disk (EVS)",
        "Managed by": "ModelArts",
        "Size": "50 GB",
        "Mounted at": "/home/ma-user/work/",
        "Data volume 1: Type": "parallel file system (OBSFS)",
        "Data volume 1: Mounted at": "/data/",
        "Data volume 1: Path": "obs://example-bucket/",
        "Data volume 1: Status": "Mounted",
    }
    assert sections["Access"] == {
        "Ways to connect": "JupyterLab, SSH",
        "SSH key pairs": "example-key",
    }
    assert sections["Location"]["Resource pool"] == "example-pool"
    assert sections["Billing"] == {
        "Kind": "Notebook",
        "Billed now": "Compute resources, Storage",
    }
    assert sections["Identity"]["Owner"] == "example-user"
    text = str(sections)
    assert not [
        secret for secret in ("FAKE", "192.0.2", "example.com") if secret in text
    ]


def test_a_fixed_lease_has_an_end() -> None:
    instance = full()
    assert shown(instance)["Lease"] == {"Type": "Fixed end", "Ends": instance.stops_at}


def test_an_idle_lease_says_what_it_is() -> None:
    lease = json.loads(
        (
            DOCUMENTS / "notebooks-2026/composed-notebook-2026-all-members.json"
        ).read_text()
    )["lease"]
    instance = full(lease=lease | {"type": "IDLE"})
    assert shown(instance)["Lease"] == {
        "Type": "Stops when idle",
        "Idle time": "1 h",
        "Not before": instance.idle_stop_at,
    }


def test_a_lease_that_is_off_has_no_end() -> None:
    instance = full(lease={"enable": False, "duration": 3_600_000})
    assert shown(instance)["Lease"] == {"Type": "No auto-stop"}


def test_an_instance_that_does_not_run_has_no_lease() -> None:
    assert "Lease" in shown(full())
    assert "Lease" not in shown(full(status="STOPPED"))


@pytest.mark.parametrize(
    ("has_tags", "tags"), [(False, {"owner": "team-a"}), (True, None)]
)
def test_tags_that_cannot_be_changed_have_a_section(has_tags: bool, tags: Any) -> None:
    assert shown(full(has_tags=has_tags)).get("Tags") == tags


def test_the_steps_of_a_start_stand_in_their_order() -> None:
    steps = [
        {"step": 4, "status": "WAITING", "description": "Initialize the notebook."},
        {"step": 2, "status": "PROCESSING"},
        {"step": 1, "status": "COMPLETED"},
        {"step": 9, "status": "WAITING", "description": "Something new"},
    ]
    creating = full(status="CREATING", action_progress=steps)
    assert list(shown(creating)["Progress"].items()) == [
        ("Storage", "Done"),
        ("Compute resources", "In progress"),
        ("Initialization", "Waiting"),
        ("Something new", "Waiting"),
    ]
    assert "Progress" not in shown(full(status="RUNNING", action_progress=steps))


class TestFailure:
    def test_it_has_the_reason_and_the_step(self) -> None:
        steps = [{"step": 2, "status": "FAILED", "description": "No capacity."}]
        failed = full(
            status="CREATE_FAILED", fail_reason="Sold out", action_progress=steps
        )
        failure = detail_sections.failure(failed)
        assert failure is not None
        assert failure.message == "Sold out"
        (step,) = failure.details
        assert (step.label, step.text) == ("Compute resources", "No capacity.")

    @pytest.mark.parametrize(
        "name",
        ["notebooks-2024-show-response-create-failed", "notebooks-show-response"],
    )
    def test_without_a_reason_there_is_none(self, name: str) -> None:
        assert detail_sections.failure(a_notebook(name)) is None


def test_all_of_it_is_german() -> None:
    with translation.override("de"):
        sections = shown(full())
        assert "Mitgeliefert" in sections["Image"].values()
        assert "Festes Ende" in sections["Lease"].values()
