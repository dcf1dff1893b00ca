"""The first instances of every fleet, chosen as examples."""

from dataclasses import dataclass

from .instance import Failure

MINUTE, HOUR, DAY = 60, 3_600, 86_400

_LONGEST_TEXT = (
    "Reference run for the quarterly report. Data: obs bucket finance-q3, frozen on "
    "1 October, 48 million rows; features as in the wiki page of the team, version 14. "
    "The learning rate is warmed up over 2,000 steps, then decays by cosine. Please do "
    "not stop it during the night, the checkpoints are written only every 90 minutes "
    "and the last one took four days to reproduce. Contact: Jürgen, room 4.117, phone "
    "4711, or the channel of the forecasting team. Größe, Maß und Ziel: siehe Wiki. "
    "説明は社内ウィキを参照してください。"
)


@dataclass(frozen=True)
class Sketch:
    """The properties of one instance.

    Attributes:
        duration_seconds: Auto-stop setting.
        stops_in_seconds: RUNNING only: end of the run, from now.
        ran_seconds: RUNNING without auto-stop: age of the run.
        lasts_seconds: Remaining time of a transitional status.
        workspace: Index into people.WORKSPACES; pool likewise into people.POOLS.
        disk_gb: An EVS disk of this size; 0: an OBS path, or the flavor's default.
    """

    name: str
    owner: str
    flavor: str
    status: str = "STOPPED"
    description: str = ""
    duration_seconds: int = 8 * HOUR
    auto_stop: bool = True
    prompt: bool = True
    stops_in_seconds: int = 0
    ran_seconds: int = 0
    lasts_seconds: int = 90
    workspace: int = 0
    pool: int | None = None
    disk_gb: int = 0
    repository: str = ""
    has_credential: bool = False
    failure: Failure | None = None
    doomed: Failure | None = None
    frozen: bool = False


_CPU2, _CPU8, _CPU16 = (f"modelarts.vm.cpu.{n}u" for n in (2, 8, 16))
_FREE_CPU, _FREE_GPU = "modelarts.vm.cpu.free", "modelarts.vm.gpu.free"
_P100, _V100 = "modelarts.vm.gpu.p100", "modelarts.vm.gpu.v100"
_NV32, _8NV32 = "modelarts.bm.gpu.v100NV32", "modelarts.bm.gpu.8v100NV32"
_A100 = "modelarts.bm.gpu.a100NV80"
_ASCEND, _8ASCEND = "modelarts.kat1.xlarge", "modelarts.kat1.8xlarge"

SHOWCASE = (
    Sketch(
        "churn-forecast-v2",
        "anna.schmidt",
        _V100,
        "RUNNING",
        "Churn model, second try. Evaluation runs until noon.",
        duration_seconds=HOUR,
        stops_in_seconds=2 * MINUTE,
    ),
    Sketch(
        "notebook-c6fd",
        "li.wei",
        _NV32,
        "RUNNING",
        duration_seconds=4 * HOUR,
        stops_in_seconds=7 * MINUTE,
        disk_gb=5,
    ),
    Sketch(
        "ocr-finetune",
        "tom.becker",
        _P100,
        "RUNNING",
        "Fine-tuning on scanned delivery notes",
        duration_seconds=2 * HOUR,
        stops_in_seconds=20 * MINUTE,
        disk_gb=50,
        repository="ocr",
    ),
    Sketch(
        "llm-eval-nightly",
        "jürgen.groß",
        _8NV32,
        "RUNNING",
        "Started for one night, three days ago. Nobody knows whether it is needed.",
        auto_stop=False,
        ran_seconds=3 * DAY,
        disk_gb=500,
    ),
    Sketch(
        "ablation-5000s",
        "anna.schmidt",
        _CPU8,
        "RUNNING",
        "Runs for 5,000 seconds: off the half-hour grid on purpose",
        duration_seconds=5_000,
        stops_in_seconds=41 * MINUTE,
    ),
    Sketch(
        "Größenschätzung-Straße",
        "jürgen.groß",
        _CPU16,
        "RUNNING",
        "Schätzt Größen für die Straßenvermessung. Grüße, Jürgen",
        duration_seconds=6 * HOUR,
        stops_in_seconds=3 * HOUR + 12 * MINUTE,
        workspace=1,
    ),
    Sketch(
        "需求预测-华东区",
        "王小明",
        _ASCEND,
        "RUNNING",
        "华东区需求预测,第三版模型",
        duration_seconds=12 * HOUR,
        stops_in_seconds=5 * HOUR + 48 * MINUTE,
        workspace=3,
    ),
    Sketch(
        "音声認識_試作",
        "中村さくら",
        _8ASCEND,
        "RUNNING",
        "会議の音声認識、話者分離つき",
        duration_seconds=24 * HOUR,
        stops_in_seconds=17 * HOUR,
        workspace=2,
        prompt=False,
    ),
    Sketch(
        "quarterly-report-reference-run-with-a-very-long-name-2026-q3-v14",
        "priya.raman",
        _NV32,
        "RUNNING",
        (_LONGEST_TEXT * 2)[:512],
        duration_seconds=24 * HOUR,
        stops_in_seconds=23 * HOUR + 50 * MINUTE,
        workspace=3,
        pool=0,
        has_credential=True,
    ),
    Sketch(
        "pool-trainer-01",
        "oluwaseun.adebayo",
        _NV32,
        "RUNNING",
        "Dedicated pool of the vision team, with its repository",
        stops_in_seconds=90 * MINUTE,
        workspace=1,
        pool=0,
        repository="vision-trainer",
        has_credential=True,
    ),
    Sketch(
        "embeddings-refresh",
        "li.wei",
        _V100,
        "RUNNING",
        duration_seconds=HOUR,
        stops_in_seconds=55 * MINUTE,
    ),
    Sketch(
        "sandbox-tom",
        "tom.becker",
        _CPU2,
        "RUNNING",
        "Just trying things",
        auto_stop=False,
        ran_seconds=26 * HOUR,
    ),
    Sketch(
        "dialect-classifier",
        "ingrid.sørensen",
        _P100,
        "RUNNING",
        duration_seconds=10_800,
        stops_in_seconds=61 * MINUTE,
        workspace=2,
    ),
    Sketch(
        "timeseries-lab",
        "łukasz.żółkiewski",
        _CPU8,
        "RUNNING",
        "Exploration of sensor data",
        duration_seconds=45_296,
        stops_in_seconds=7 * HOUR + 34 * MINUTE,
    ),
    Sketch(
        "needs-a-gpu",
        "zoë.van.dijk",
        _FREE_GPU,
        "START_QUEUING",
        "Waits for the free GPU",
        duration_seconds=HOUR,
        lasts_seconds=26 * MINUTE,
    ),
    Sketch(
        "first-steps",
        "nikos.papadopoulos",
        _FREE_CPU,
        "CREATE_QUEUING",
        "Tutorial for the new colleagues",
        duration_seconds=HOUR,
        lasts_seconds=11 * MINUTE,
    ),
    Sketch("segmentation-new", "maría.fernández", _V100, "CREATING", lasts_seconds=75),
    Sketch(
        "anna-scratch", "anna.schmidt", _CPU2, "STARTING", "Scratch", lasts_seconds=40
    ),
    Sketch("ready-when-you-are", "li.wei", _FREE_CPU, "READY_TO_START"),
    Sketch(
        "kernel-stuck", "amélie.dubois", _P100, "RESTARTING", "Kernel had hung itself"
    ),
    Sketch("going-home", "tom.becker", _CPU8, "STOPPING", lasts_seconds=50),
    Sketch(
        "bigger-please",
        "김민준",
        _V100,
        "RESIZING",
        "Moves to a larger flavor",
        lasts_seconds=15 * MINUTE,
    ),
    Sketch(
        "too-big",
        "maría.fernández",
        _A100,
        "RESIZE_FAILED",
        "Should have become an A100",
        failure=Failure("ModelArts.6329", "The flavor is sold out."),
    ),
    Sketch(
        "bucket-gone",
        "anna.schmidt",
        _ASCEND,
        "CREATE_FAILED",
        "Reads a bucket that was deleted",
        failure=Failure(
            "ModelArts.6320",
            "Failed to access OBS.",
            (("bucket", "anna-archive"), ("operation", "HEAD Bucket")),
        ),
    ),
    Sketch(
        "no-capacity",
        "priya.raman",
        _8NV32,
        "START_FAILED",
        disk_gb=1_000,
        failure=Failure(
            "ModelArts.6360",
            "Resources are insufficient to start the instance.",
            (("flavor", _8NV32), ("zone", "eu-de-02")),
        ),
    ),
    Sketch("node-lost", "oluwaseun.adebayo", _NV32, "UNAVAILABLE", pool=0),
    Sketch("old-experiment", "ops_dev_env", _CPU2, "DELETED", "Lingers in the list"),
    Sketch(
        "fails-on-start",
        "tom.becker",
        _P100,
        description="Its next start will fail",
        doomed=Failure("ModelArts.6200", "No resources available."),
    ),
    Sketch(
        "account-in-arrears",
        "nikos.papadopoulos",
        _V100,
        description="Frozen: a start is refused",
        frozen=True,
    ),
    Sketch(
        "sold-out-a100",
        "li.wei",
        _A100,
        description="Its flavor is sold out: a start is refused",
    ),
    Sketch(
        "free-gpu-lab",
        "anna.schmidt",
        _FREE_GPU,
        description="Its flavor is free and sold out: a start queues",
        duration_seconds=HOUR,
    ),
    Sketch("notebook-b1b8", "ops_dev_env", _CPU2, duration_seconds=HOUR, disk_gb=5),
    Sketch(
        "fraud-features",
        "li.wei",
        _CPU16,
        description="Feature store for the fraud model",
        duration_seconds=9_000,
        disk_gb=200,
        repository="fraud-features",
    ),
    Sketch("weekend-job", "tom.becker", _V100, duration_seconds=24 * HOUR),
    Sketch("auto-stop-off", "anna.schmidt", _CPU8, auto_stop=False),
    Sketch(
        "prévision-été",
        "amélie.dubois",
        _P100,
        description="Prévision de la demande, données de juin à août",
        duration_seconds=2 * HOUR + 30 * MINUTE,
    ),
    Sketch("speech-baseline", "ingrid.sørensen", _ASCEND, workspace=2),
    Sketch("한국어-분류기", "김민준", _V100, description="한국어 문서 분류"),
    Sketch(
        "night-shift",
        "zoë.van.dijk",
        _NV32,
        "RUNNING",
        "Hyper-parameter search, results in the morning",
        duration_seconds=10 * HOUR,
        stops_in_seconds=9 * HOUR + 5 * MINUTE,
        pool=1,
    ),
    Sketch(
        "class-of-2026",
        "maría.fernández",
        _CPU2,
        "RUNNING",
        "Shared by the trainees",
        duration_seconds=4 * HOUR,
        stops_in_seconds=13 * MINUTE,
    ),
)
