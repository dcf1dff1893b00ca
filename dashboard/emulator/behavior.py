"""The choices that the documents leave open, and what the cloud serves.

Tests give them to ``Emulator``; ``POST /_emulator/behavior`` changes them while the
cloud runs.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args, get_type_hints


@dataclass
class Behavior:
    """Durations, and choices that the documents leave open.

    Attributes:
        creating_seconds: Time in CREATING, emulated seconds; the others likewise.
        prompt_absent: What an update of auto_stop without ``prompt`` does: keep it, or
            set the documented default, true.
        enable_absent: The same for ``enable``, whose documented default is false.
        enable_while_running: When switching auto-stop on or off affects a running
            instance: at its next start, as documented for the duration, or at once.
        update_answer: The whole instance, or one without ``spec`` and
            ``provision.annotations``, like the sample of 2025.
        cloud: Whose edition of the notebooks generation: its parameters, members,
            longest run and calls. Only Huawei's has a billing service.
        served: The generations that the cloud serves; calls of the other are answered
            with 404 ``APIG.0101``. None: those with instances.
        list_all: Whether the caller is an administrator, who may list everybody's
            notebooks.
        renew: Whether the caller has ``modelarts:notebook:updateStopPolicy``.
        read_prices: Whether the caller may ask the billing service for prices.
        unpriced: Whether a product without a price makes the billing service refuse
            the whole request, as documented, or is missing in its answer.
        current_time: Whether the answer to show has the cloud's own time.
        top_level_times: Whether notebooks have ``create_at`` and ``update_at`` (2024),
            or only their leases (2026).
        lease_type: Whether leases have a ``type``; it is absent in many samples.
        update_while_running: Whether name, description and disk of a running notebook
            can be changed (a tested client) or are refused with 6347 (the manuals).
        notebook_update_answer: The whole notebook, or the few members of the newest
            sample, which lacks even the id.
        renew_answer: The lease, or 204.
        delete_answer: The last state, or 204.
        deleted: Whether a deleted notebook disappears, or stays as DELETED.
        missing_notebook: Status and code for an unknown notebook.
        already_stopped: Code for a stop of a stopped notebook.
        error_text: Name of the text in errors of the notebooks generation.
        heartbeat_seconds: How often a busy notebook extends its IDLE lease.
    """

    creating_seconds: float = 10
    starting_seconds: float = 8
    restarting_seconds: float = 8
    stopping_seconds: float = 5
    deleting_seconds: float = 5
    prompt_absent: Literal["keep", "default"] = "keep"
    enable_absent: Literal["keep", "default"] = "keep"
    enable_while_running: Literal["next_start", "at_once"] = "next_start"
    update_answer: Literal["full", "no_spec"] = "full"
    cloud: Literal["huawei", "otc"] = "huawei"
    served: Literal["both", "demanager", "notebooks"] | None = None
    list_all: Literal["allow", "refuse"] = "allow"
    renew: Literal["allow", "refuse"] = "allow"
    read_prices: Literal["allow", "refuse"] = "allow"
    unpriced: Literal["refuse", "omit"] = "refuse"
    current_time: bool = True
    top_level_times: bool = True
    lease_type: Literal["shown", "absent"] = "shown"
    update_while_running: Literal["accept", "refuse"] = "accept"
    notebook_update_answer: Literal["full", "partial"] = "full"
    renew_answer: Literal["lease", "nothing"] = "lease"
    delete_answer: Literal["state", "nothing"] = "state"
    deleted: Literal["vanish", "linger"] = "vanish"
    missing_notebook: Literal["404 6404", "400 6404", "404 6309", "400 6309"] = (
        "404 6404"
    )
    already_stopped: Literal["6357", "6307"] = "6357"
    error_text: Literal["error_msg", "error_message"] = "error_msg"
    heartbeat_seconds: float = 300

    @property
    def is_huawei(self) -> bool:
        return self.cloud == "huawei"

    @property
    def longest_run_ms(self) -> int:
        """Return the longest lease that can be asked for, in milliseconds."""
        return (72 if self.is_huawei else 24) * 3_600_000

    def serves(self, generation: str) -> bool:
        return self.served in {None, "both", generation}

    def document(self) -> dict[str, Any]:
        return asdict(self)

    def change(self, changes: dict[str, Any]) -> None:
        """Set some of the choices; all or none.

        Raises:
            ValueError: A name is unknown, or a value is none of those allowed.
        """
        hints = get_type_hints(Behavior)
        known = {field.name for field in fields(self)}
        if unknown := changes.keys() - known:
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
        for name, value in changes.items():
            if not _is_allowed(hints[name], value):
                raise ValueError(f"{name} cannot be {value!r}")
        for name, value in changes.items():
            setattr(self, name, value)


def _is_allowed(hint: Any, value: object) -> bool:
    if hint is float:
        return type(value) in {int, float} and float(str(value)) > 0
    if hint is bool:
        return isinstance(value, bool)
    return value in _choices(hint)


def _choices(hint: Any) -> tuple[object, ...]:
    """Return the values of a Literal, or of a union of one with None."""
    choices: tuple[object, ...] = ()
    for part in get_args(hint):
        choices += (None,) if part is type(None) else get_args(part) or (part,)
    return choices
