"""How answers about notebooks are read, and the arithmetic of leases."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from dashboard.modelarts import json_reader
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.notebook_schemas import Lease, Notebook
from dashboard.modelarts.results import ClockReading, upstream_skew_ms
from dashboard.modelarts.schemas import Instance

CANARY = "CANARY-SECRET"
CREATED_MS = 1_784_946_917_652
HOUR_MS = 3_600_000


def notebook_of(**members: Any) -> Notebook:
    return Notebook.model_validate({"id": "n-1"} | members)


def running(**lease: Any) -> Notebook:
    lease = {"create_at": CREATED_MS, "duration": HOUR_MS, "enable": True} | lease
    return notebook_of(status="RUNNING", lease=lease)


class TestLease:
    @pytest.mark.parametrize(
        ("create_at", "update_at", "duration"),
        [
            (1687656452470, 1687656479842, 3627372),
            (1687656452470, 1687657510014, 4657544),
            (1687656452470, 1687659052284, 6199814),
            (1687656452470, 1687659392569, 6540099),
            (1638841744515, 1638843457621, 5313106),
            (1638841744515, 1638844471727, 6327212),
        ],
    )
    def test_the_six_rebased_samples_asked_for_an_hour(
        self, create_at: int, update_at: int, duration: int
    ) -> None:
        lease = Lease(
            create_at=create_at, update_at=update_at, duration=duration, enable=True
        )
        assert lease.asked_seconds == 3_600
        assert lease.end_ms == update_at + HOUR_MS

    def test_a_sample_that_was_not_rebased_asked_for_nothing_plausible(self) -> None:
        lease = Lease(
            create_at=1638841744515,
            update_at=1638843018759,
            duration=HOUR_MS,
            enable=True,
        )
        assert lease.asked_seconds is None

    def test_a_timing_lease_has_a_fixed_end(self) -> None:
        for kind in ("TIMING", "timing", None):
            state = running(type=kind).state()
            assert state.lease_type == "timing"
            assert state.stop_timestamp_ms == CREATED_MS + HOUR_MS
            assert (state.idle_seconds, state.idle_stop_ms) == (None, None)

    @pytest.mark.parametrize("kind", ["IDLE", "idle"])
    def test_an_idle_lease_has_no_fixed_end(self, kind: str) -> None:
        later = CREATED_MS + 86_400_000
        notebook = running(
            type=kind, update_at=later, duration=86_400_000 + 2 * HOUR_MS
        )
        state = notebook.state()
        assert state.lease_type == "idle"
        assert state.stop_timestamp_ms is None
        assert state.idle_seconds == 7_200
        assert state.idle_stop_ms == later + 2 * HOUR_MS
        assert state.lease_updated_ms == later

    @pytest.mark.parametrize(
        "lease",
        [
            {"enable": False},
            {"enable": False, "duration": -1},
            {"enable": None},
            {"duration": 0},
            {"duration": None},
            {"create_at": None},
            {"type": "LUNAR"},
            {"duration": 10**30},
        ],
    )
    def test_without_a_known_end_there_is_none(self, lease: dict[str, Any]) -> None:
        state = running(**lease).state()
        assert (state.stop_timestamp_ms, state.idle_stop_ms) == (None, None)

    def test_what_does_not_run_has_no_end(self) -> None:
        lease = {"create_at": CREATED_MS, "duration": HOUR_MS, "enable": True}
        for status in ("STOPPED", "STARTING", "SNAPSHOTTING", "LATER_ONE"):
            state = notebook_of(status=status, lease=lease).state()
            assert state.status == status
            assert state.stop_timestamp_ms is None

    def test_an_unknown_type_is_no_type(self) -> None:
        assert running(type="LUNAR").state().lease_type == ""
        assert notebook_of(status="RUNNING").state().lease_type == ""


class TestState:
    def test_values_have_the_same_names_as_in_the_other_generation(self) -> None:
        state = notebook_of(
            name="n",
            description="d",
            status="running",
            flavor="modelarts.vm.gpu.v100",
            workspace_id=0,
            user={"id": "u", "name": "anna"},
            lease={"create_at": CREATED_MS, "update_at": CREATED_MS + 1},
            current_time=CREATED_MS + 9,
            tags=[{"key": "owner", "value": "a"}, {"key": "bare"}, {"value": "x"}],
        ).state()
        assert state.generation is Generation.NOTEBOOKS
        assert (state.id, state.name, state.description) == ("n-1", "n", "d")
        assert (state.status, state.workspace_id) == ("RUNNING", "0")
        assert (state.owner_id, state.owner_name) == ("u", "anna")
        assert (state.flavor, state.flavor_type) == ("modelarts.vm.gpu.v100", "GPU")
        assert (state.created_ms, state.updated_ms) == (CREATED_MS, CREATED_MS + 1)
        assert state.cloud_time_ms == CREATED_MS + 9
        assert state.tags == {"owner": "a", "bare": ""}
        assert (state.auto_stop_duration, state.auto_stop_prompt) == (None, None)

    def test_times_at_the_top_level_come_first(self) -> None:
        lease = {"create_at": CREATED_MS, "update_at": CREATED_MS}
        notebook = notebook_of(
            create_at=CREATED_MS + 5, update_at=CREATED_MS + 6, lease=lease
        )
        state = notebook.state()
        assert (state.created_ms, state.updated_ms) == (CREATED_MS + 5, CREATED_MS + 6)

    @pytest.mark.parametrize(
        "members", [{}, {"status": "RUNNING"}, {"lease": {}}, {"lease": "odd"}]
    )
    def test_an_answer_without_status_or_lease_is_partial(
        self, members: dict[str, Any]
    ) -> None:
        state = notebook_of(**members).state()
        assert state.is_partial
        assert (state.tags, state.description) == (None, None)

    @pytest.mark.parametrize(
        ("flavor", "category", "kind"),
        [
            ("modelarts.vm.cpu.2u", None, "CPU"),
            ("modelarts.kat1.xlarge", None, "ASCEND"),
            ("modelarts.bm.npu.arm.8snt9b", None, "ASCEND"),
            ("custom.flavor.spec.code", "GPU", "GPU"),
            ("new", None, ""),
        ],
    )
    def test_the_name_of_the_flavor_tells_its_kind(
        self, flavor: str, category: str | None, kind: str
    ) -> None:
        spec = {"category": category} if category else None
        assert notebook_of(flavor=flavor, custom_spec=spec).state().flavor_type == kind

    def test_the_creator_may_be_an_id_alone(self) -> None:
        assert notebook_of(user_id="u").state().owner_id == "u"


class TestDemanagerState:
    def test_a_running_instance(self) -> None:
        stop = {"enable": False, "duration": 3600, "prompt": True}
        stop |= {"stop_timestamp": CREATED_MS, "remain_time": 9}
        document = {
            "id": "DE-1",
            "status": "running",
            "spec": {"auto_stop": stop},
            "flavor_details": {"name": "f", "type": "Ascend"},
            "workspace": {"id": "0"},
        }
        state = Instance.model_validate(document).state()
        assert state.generation is Generation.DEMANAGER
        assert (state.flavor, state.flavor_type) == ("f", "ASCEND")
        assert (state.auto_stop_enable, state.auto_stop_duration) == (False, 3600)
        assert (state.stop_timestamp_ms, state.remain_time) == (CREATED_MS, 9)
        assert (state.lease_type, state.tags, state.is_partial) == ("", None, False)
        stopped = Instance.model_validate(document | {"status": "STOPPED"}).state()
        assert (stopped.stop_timestamp_ms, stopped.remain_time) == (None, None)

    def test_without_spec_it_is_partial(self) -> None:
        assert Instance(id="DE-1").state().is_partial


def test_secrets_and_addresses_are_removed() -> None:
    address = f"https://me:{CANARY}@nb.example.com/lab?token={CANARY}"
    volume = {
        "category": "EFS",
        "uri": CANARY,
        "url": f"obs://bucket/?sk={CANARY}",
        "dew_secret_name": CANARY,
    }
    read = notebook_of(
        token=CANARY,
        url=address,
        ip=CANARY,
        user_vpc={"port_ip": CANARY},
        dew_secret_name=CANARY,
        fail_reason=f"no way to {address}",
        action_progress=[{"step": 1, "description": address}],
        endpoints=[
            {"service": "SSH", "uri": CANARY, "allowed_access_ips": [CANARY]},
            {"service": "SSH", "ssh_keys": [CANARY], "key_pair_names": ["kept"]},
        ],
        volume=volume,
        data_volumes=[volume],
        image={"swr_path": address, "access_key": CANARY},
        lease={"token": CANARY, "create_at": CREATED_MS},
        unknown=CANARY,
    )
    assert read.problems == []
    for shown in (repr(read), repr(read.state()), json.dumps(read.document())):
        assert CANARY not in shown
    document = read.document()
    assert document["url"] == "https://nb.example.com/lab"
    assert document["endpoints"] == [
        {"service": "SSH"},
        {"service": "SSH", "key_pair_names": ["kept"]},
    ]
    assert document["data_volumes"][0]["url"] == "obs://bucket/?sk="


def test_unreadable_members_do_not_hide_the_others() -> None:
    read = notebook_of(
        name=["x"], lease={"duration": "soon", "enable": "true"}, tags={}, status="ok"
    )
    assert read.problems == ["name", "lease.duration", "tags"]
    assert read.lease is not None
    assert read.lease.enable is True


def test_either_name_of_a_step_and_of_a_tag_is_read() -> None:
    read = notebook_of(
        action_progress=[{"step_description": "a"}, {"description": "b"}],
        image={"currentTag": "1.0"},
    )
    assert [step.description for step in read.action_progress or []] == ["a", "b"]
    assert read.image is not None
    assert read.image.tag == "1.0"
    again = Notebook.model_validate(read.document())
    assert again.document() == read.document()


def test_a_stored_document_has_no_current_time() -> None:
    first, later = (notebook_of(current_time=CREATED_MS + ms) for ms in (0, 1_000))
    assert first.document() == later.document() == {"id": "n-1"}


@pytest.mark.parametrize("document", [{}, {"id": "a/b"}, {"id": ""}, [], None])
def test_a_document_without_a_usable_id_is_refused(document: Any) -> None:
    with pytest.raises(ValidationError):
        Notebook.model_validate(document)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "key", "create_at", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(list(Notebook.model_fields)), ANY_JSON))
def test_no_document_causes_another_error(members: dict[str, Any]) -> None:
    document = json_reader.read_json(json.dumps(members | {"id": "x"}).encode())
    read = Notebook.model_validate(document)
    read.state()
    text = json.dumps(read.document(), ensure_ascii=False)
    assert "\x00" not in text
    assert text.encode()


class TestSkew:
    RECEIVED_MS = CREATED_MS + 1_000

    def skew(self, *notebooks: Notebook, date_ms: int | None = None) -> int | None:
        clock = ClockReading(self.RECEIVED_MS - 100, self.RECEIVED_MS, date_ms)
        return upstream_skew_ms(list(notebooks), clock)

    def test_the_clouds_own_time_counts(self) -> None:
        told = notebook_of(current_time=self.RECEIVED_MS + 7_000)
        date_ms = self.RECEIVED_MS + 6_000
        assert self.skew(told, running(), date_ms=date_ms) == 7_000

    def test_without_it_the_date_header_does(self) -> None:
        assert self.skew(running(), date_ms=self.RECEIVED_MS - 5_000) == -5_000
        assert self.skew(running()) is None

    def test_a_time_far_from_the_header_is_ignored(self) -> None:
        told = notebook_of(current_time=self.RECEIVED_MS + 86_400_000)
        assert self.skew(told, date_ms=self.RECEIVED_MS) == 0
