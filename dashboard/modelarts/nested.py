"""The objects inside an instance: tables 6 to 23 of the wire.

Source: ModelArts API Reference, "Modifying the Description of a Development
Environment Instance". Units as in ``schemas``.
"""

from dashboard.modelarts.lenient import (
    Address,
    Flag,
    FreeMap,
    LenientModel,
    Message,
    MomentMs,
    Seconds,
    Text,
    TextMap,
    Whole,
)


class ProvisionParams(LenientModel):
    """Docker image of a profile (table 9)."""

    namespace: Text = None
    image_name: Text = None
    image_tag: Text = None
    annotations: TextMap = None


class ProvisionSpec(LenientModel):
    """Deployment details (table 8). ``engine`` is always ``CCE``."""

    engine: Text = None
    params: ProvisionParams | None = None


class Provision(LenientModel):
    """Deployment (table 7; ``annotations`` from the list document's table)."""

    type: Text = None
    spec: ProvisionSpec | None = None
    annotations: TextMap = None


class Profile(LenientModel):
    """Work environment (table 6). ``id`` may be a name or a UUID."""

    id: Text = None
    name: Text = None
    description: Text = None
    de_type: Text = None
    provision: Provision | None = None
    labels: TextMap = None
    flavor_type: Text = None


class FlavorDetails(LenientModel):
    """Hardware an instance runs on, and how it is sold (table 10).

    Attributes:
        status: ``onSale`` or ``soldOut``.
        queuing_num: Instances in the queue; only for a sold-out free flavour.
        queue_left_time: Seconds of queue left; same condition.
        storage_list: ``obs``, ``evs``; newer answers also ``efs``.
        is_permitted: Whether the calling account may use the flavour.
        type: ``CPU``, ``GPU``, ``ASCEND`` or ``Ascend``: compare without case.
        params: Free: numbers ``CPU``, ``GPU``, ``NPU``, texts such as ``memory``.
        promo_type: ``Free`` or ``NoDiscount``.
        instance_num: Instances of this flavour the caller has.
        duration: Auto-stop time after a start, seconds.
        store_time: **Hours** an idle instance is kept; -1 means for ever.
        billing_flavor: Empty when the flavour bills as itself.
        billing_params: Billing ratio.
    """

    name: Text = None
    status: Text = None
    queuing_num: Whole = None
    queue_left_time: Seconds = None
    storage_list: list[str] | None = None
    is_permitted: Flag = None
    type: Text = None
    params: FreeMap = None
    promo_type: Text = None
    instance_num: Whole = None
    duration: Seconds = None
    store_time: Whole = None
    billing_flavor: Text = None
    billing_params: Whole = None


class PoolOwner(LenientModel):
    """Project that owns a dedicated pool (table 13)."""

    project_id: Text = None


class Pool(LenientModel):
    """Dedicated resource pool (table 11). ``USER_DEFINED`` is a dedicated one."""

    id: Text = None
    name: Text = None
    type: Text = None
    owner: PoolOwner | None = None


class AiProject(LenientModel):
    """AI project (table 12)."""

    id: Text = None


class Location(LenientModel):
    """Place of a storage (table 16; the volume members are in samples only).

    Attributes:
        path: Bucket directory for ``obs``, mount point for ``evs``.
        volume_size: Size of the disk in ``volume_unit``.
        volume_unit: ``GB``.
    """

    path: Address = None
    volume_size: Whole = None
    volume_unit: Text = None


class Storage(LenientModel):
    """Storage of an instance (table 15). ``type`` is ``obs``, ``evs`` or ``obsfs``."""

    type: Text = None
    location: Location | None = None


class ConnectionInfo(LenientModel):
    """Where a Git repository is (table 23, without ``credential``)."""

    protocol: Text = None
    url: Address = None


class Repository(LenientModel):
    """Git repository of an instance (table 22, without ``user_email``)."""

    id: Text = None
    branch: Text = None
    user_name: Text = None
    type: Text = None
    connection_info: ConnectionInfo | None = None


class AutoStop(LenientModel):
    """When the cloud will stop an instance by itself (table 17).

    Attributes:
        enable: Whether it stops at all.
        duration: Run time granted at each start, seconds.
        prompt: Whether the console should remind its user again.
        stop_timestamp: End of this run, ms; None while the instance is not running.
        remain_time: Seconds left when the answer was made, rounded up; None while the
            instance is not running. Stale at once, so never stored.
    """

    enable: Flag = None
    duration: Seconds = None
    prompt: Flag = None
    stop_timestamp: MomentMs = None
    remain_time: Seconds = None


class FailedReasons(LenientModel):
    """Why a creation or a start failed (table 18)."""

    code: Text = None
    message: Message = None
    detail: TextMap = None


class NotebookSpec(LenientModel):
    """Settings of an instance (table 14, without ``credential``).

    Attributes:
        annotations: Keys ``url`` (empty unless running) and ``target_domain``. The
            address "cannot be directly accessed": text, not a link.
        resource_reserved_timestamp: Probably ms; no sample shows it.
        extend_storage: In samples and the create document only.
    """

    log_path: Address = None
    custom_script_path: Address = None
    storage: Storage | None = None
    extend_storage: list[Storage] | None = None
    repository: Repository | None = None
    resource_reserved_timestamp: MomentMs = None
    auto_stop: AutoStop | None = None
    failed_reasons: FailedReasons | None = None
    annotations: TextMap = None
    extend_params: TextMap = None


class Workspace(LenientModel):
    """Workspace (table 19). ``0`` is the default one."""

    id: Text = None


class QueuingInfo(LenientModel):
    """Place in the queue for free resources (table 20).

    Attributes:
        status: ``CREATE_QUEUING`` or ``START_QUEUING``.
        begin_timestamp: When it joined the queue, ms.
        end_timestamp: When it is expected to leave it, ms.
        remain_time: Seconds of waiting left.
        rank: Position in the queue.
    """

    id: Text = None
    name: Text = None
    de_type: Text = None
    flavor: Text = None
    flavor_details: FlavorDetails | None = None
    status: Text = None
    begin_timestamp: MomentMs = None
    remain_time: Seconds = None
    end_timestamp: MomentMs = None
    rank: Whole = None


class User(LenientModel):
    """Creator of an instance (table 21)."""

    id: Text = None
    name: Text = None
