"""The first notebooks of every fleet, chosen as examples."""

from dataclasses import dataclass, field

from dashboard.emulator.showcase import DAY, HOUR, MINUTE


@dataclass(frozen=True)
class NotebookSketch:
    """The properties of one notebook.

    Attributes:
        lease_seconds: What was asked for last.
        ends_in_seconds: RUNNING only: end of the run, from now, if it stays idle.
        ran_seconds: RUNNING without an end, or busy: age of the run.
        busy_for_seconds: How long it is busy from now; None for always.
        lasts_seconds: Remaining time of a transitional status.
        workspace: Index into people.WORKSPACES; pool likewise into people.POOLS.
        disk_gb: An EVS disk of this size; 0 for a file system.
    """

    name: str
    owner: str
    flavor: str
    status: str = "STOPPED"
    description: str = ""
    lease_seconds: int = 8 * HOUR
    auto_stop: bool = True
    idle: bool = False
    ends_in_seconds: int = 0
    ran_seconds: int = 0
    busy_for_seconds: int | None = 0
    lasts_seconds: int = 90
    workspace: int = 0
    pool: int | None = None
    disk_gb: int = 50
    tags: dict[str, str] = field(default_factory=dict)
    buckets: tuple[str, ...] = ()
    has_ssh: bool = False
    fail_reason: str | None = None
    doomed: str | None = None


_CPU2, _CPU8, _FREE = (f"modelarts.vm.cpu.{n}" for n in ("2u", "8u", "free"))
_V100, _T4 = "modelarts.vm.gpu.v100", "modelarts.vm.gpu.t4"
_A100, _ASCEND = "modelarts.bm.gpu.a100NV80", "modelarts.bm.snt9.xlarge.2"

SHOWCASE = (
    NotebookSketch(
        "defect-detector-v5",
        "anna.schmidt",
        _V100,
        "RUNNING",
        "Evaluation of the camera in hall 3, nearly done",
        lease_seconds=HOUR,
        ends_in_seconds=4 * MINUTE,
        tags={"team": "vision", "cost-center": "4711"},
    ),
    NotebookSketch(
        "rag-playground",
        "li.wei",
        _T4,
        "RUNNING",
        lease_seconds=2 * HOUR,
        ends_in_seconds=16 * MINUTE,
        tags={"team": "language"},
    ),
    NotebookSketch(
        "forecast-2027",
        "jürgen.groß",
        _CPU8,
        "RUNNING",
        "Schätzt den Bedarf für das nächste Jahr",
        lease_seconds=4 * HOUR,
        ends_in_seconds=52 * MINUTE,
        workspace=3,
        buckets=("demand-history",),
        tags={"team": "forecasting"},
    ),
    NotebookSketch(
        "interactive-lab",
        "tom.becker",
        _CPU8,
        "RUNNING",
        "Stops when no one has used it for an hour",
        lease_seconds=HOUR,
        idle=True,
        ends_in_seconds=35 * MINUTE,
        ran_seconds=5 * HOUR,
    ),
    NotebookSketch(
        "annotation-tool",
        "maría.fernández",
        _CPU2,
        "RUNNING",
        "Used all day long",
        lease_seconds=2 * HOUR,
        idle=True,
        ran_seconds=9 * HOUR,
        busy_for_seconds=None,
        tags={"team": "vision"},
    ),
    NotebookSketch(
        "llm-distillation",
        "priya.raman",
        _V100,
        "RUNNING",
        "No auto-stop: its checkpoints take two days",
        auto_stop=False,
        ran_seconds=2 * DAY + 7 * HOUR,
        disk_gb=500,
        pool=0,
        tags={"team": "language", "curfew": "never"},
    ),
    NotebookSketch(
        "speaker-id",
        "中村さくら",
        _ASCEND,
        "RUNNING",
        "会議の話者識別",
        lease_seconds=72 * HOUR,
        ends_in_seconds=61 * HOUR,
        workspace=2,
        disk_gb=0,
    ),
    NotebookSketch(
        "weekend-sweep",
        "zoë.van.dijk",
        _V100,
        "RUNNING",
        "Hyper-parameter search over the weekend",
        lease_seconds=48 * HOUR,
        ends_in_seconds=31 * HOUR,
        has_ssh=True,
    ),
    NotebookSketch(
        "pricing-lab",
        "anna.schmidt",
        _CPU2,
        "RUNNING",
        "Extended twice today",
        lease_seconds=HOUR,
        ends_in_seconds=48 * MINUTE,
        ran_seconds=6 * HOUR,
        tags={"team": "pricing", "cost-center": "4712"},
    ),
    NotebookSketch(
        "forgotten-gpu",
        "nikos.papadopoulos",
        _T4,
        "RUNNING",
        auto_stop=False,
        ran_seconds=4 * DAY,
    ),
    NotebookSketch(
        "image-with-drivers",
        "oluwaseun.adebayo",
        _V100,
        "SNAPSHOTTING",
        "Its image is being saved",
        lease_seconds=8 * HOUR,
        ends_in_seconds=5 * HOUR,
        lasts_seconds=6 * MINUTE,
        pool=0,
    ),
    NotebookSketch("brand-new", "amélie.dubois", _CPU2, "INIT", lasts_seconds=20),
    NotebookSketch(
        "new-gpu-notebook", "김민준", _V100, "CREATING", lasts_seconds=2 * MINUTE
    ),
    NotebookSketch(
        "morning-start",
        "li.wei",
        _T4,
        "STARTING",
        lease_seconds=9 * HOUR,
        lasts_seconds=50,
        tags={"team": "language"},
    ),
    NotebookSketch("lunch-break", "tom.becker", _CPU8, "STOPPING", lasts_seconds=40),
    NotebookSketch("to-be-removed", "ops_dev_env", _CPU2, "DELETING", lasts_seconds=60),
    NotebookSketch(
        "no-such-bucket",
        "anna.schmidt",
        _CPU8,
        "CREATE_FAILED",
        "The cloud gives no reason",
    ),
    NotebookSketch(
        "no-gpu-left",
        "priya.raman",
        _V100,
        "START_FAILED",
        fail_reason="Resources are insufficient to start the instance.",
    ),
    NotebookSketch("stubborn-disk", "ops_dev_env", _CPU2, "DELETE_FAILED"),
    NotebookSketch(
        "lost-node",
        "oluwaseun.adebayo",
        _V100,
        "ERROR",
        fail_reason="The node does not respond.",
        pool=0,
    ),
    NotebookSketch(
        "arrears", "nikos.papadopoulos", _CPU2, "FROZEN", "The account is in arrears"
    ),
    NotebookSketch("already-gone", "ops_dev_env", _CPU2, "DELETED"),
    NotebookSketch(
        "customer-segments",
        "anna.schmidt",
        _CPU8,
        description="Monthly segmentation, started by hand",
        tags={"team": "pricing", "cost-center": "4712"},
    ),
    NotebookSketch(
        "fails-at-start",
        "tom.becker",
        _T4,
        description="Its next start will fail",
        doomed="No resources available.",
    ),
    NotebookSketch(
        "a100-dream",
        "li.wei",
        _A100,
        description="Its flavor is sold out: a start is refused",
    ),
    NotebookSketch(
        "tutorial-2026",
        "maría.fernández",
        _FREE,
        description="For new colleagues",
        disk_gb=5,
    ),
    NotebookSketch("teacher-model", "ingrid.sørensen", _ASCEND, workspace=2, disk_gb=0),
    NotebookSketch(
        "prevision-ete",
        "amélie.dubois",
        _T4,
        description="Prévision de la demande, données de juin à août",
        tags={"team": "forecasting"},
    ),
)
