"""Scripted faults.

A fault matches requests by method, route and instance, and affects some or all of them.
Its kind decides what happens to the answer:

=================  =================================================================
delay              only waits ``latency_seconds``, as every other kind can, too
drop, reset, hang  no answer: connection closed, closed by RST, left open
status             an error answer: ``status``, ``code``, ``message``, ``retry_after``
redirect           ``status`` (307) to ``location``
raw                exactly ``status``, ``content_type`` and ``body``
empty, html        200 without a body; 200 with an HTML page of a proxy
content_type       the genuine answer as ``text/html``
truncate, drip     half of the genuine answer; one byte every ``seconds``
big_body           padded to ``size`` bytes (10 MB)
big_header         a header of ``size`` bytes (200 kB)
gzip_bomb          compressed; ``size`` bytes (200 MB) when decoded
deep_nesting       an extra member nested ``size`` (10,000) deep
wrong_types        instances or prices with numbers for strings and so on
missing_fields     instances without ``fields``
unknown_enum       instances with unknown status, flavor type ...
nan                instances with NaN for numbers
patch              instances with the members of ``patch``
total_wrong        a list whose total is off by ``size`` (7)
duplicates         a page that begins with the last record of the page before
late               answers ``status`` (504), or nothing with ``hang``; the request
                   takes effect ``seconds`` later
not_changed        a write with a normal answer that is not carried out; with ``echo``
                   the answer contains the requested values
=================  =================================================================

``drop``, ``reset``, ``hang``, ``status``, ``redirect``, ``raw``, ``empty`` and ``html``
do not carry out the request, unless ``applied`` is set. The others spoil the answer
of a request that was carried out. Times of faults are real seconds, not emulated ones.
"""

import random
import threading
from dataclasses import asdict, dataclass, field, fields
from typing import Any

UNANSWERED = frozenset({"drop", "reset", "hang"})
REPLACED = frozenset({"status", "redirect", "raw", "empty", "html"})
#: Spoil instance documents; on a list, ``instance_id`` selects the element.
DOCUMENT = frozenset({"wrong_types", "missing_fields", "unknown_enum", "nan", "patch"})
LISTED = frozenset({"total_wrong", "duplicates"})
#: Routes of lists, with the members that have the number and the instances.
LISTS = {
    "list": ("total_count", "instances"),
    "notebooks.list": ("total", "data"),
    "notebooks.list_all": ("total", "data"),
}
#: Routes whose answers have records, which ``instance_id`` selects by their ids.
RECORDS = frozenset({*LISTS, "ratings"})
SPOILED = frozenset(
    {
        "content_type",
        "truncate",
        "drip",
        "big_body",
        "big_header",
        "gzip_bomb",
        "deep_nesting",
    }
)
KINDS = UNANSWERED | REPLACED | DOCUMENT | LISTED | SPOILED
KINDS |= {"delay", "late", "not_changed"}


@dataclass(frozen=True)
class Fault:
    """One entry of the script.

    Attributes:
        kind: See the module.
        method: Only this HTTP method.
        route: Only this route, a name of app.ROUTES.
        instance_id: Only requests for this instance.
        nth: Only the n-th matching request, from 1.
        times: At most this often; None for no limit.
        probability: 0 to 1.
        latency_seconds: Wait before anything else.
        applied: Carry out the request nevertheless.
        status: Of status, redirect, raw and late; 0 takes the usual one.
        code: Full error code, such as ``ModelArts.6357``; empty takes a usual one.
        retry_after: ``Retry-After``, as it is sent.
        location: Target of redirect.
        body: Text of raw.
        content_type: Of raw.
        seconds: Between two bytes of drip; until a late effect.
        size: See the module; 0 takes the usual size.
        patch: Members to set in documents.
        fields: Members to omit.
        echo: See not_changed.
        hang: See late.
    """

    kind: str
    method: str | None = None
    route: str | None = None
    instance_id: str | None = None
    nth: int | None = None
    times: int | None = None
    probability: float = 1.0
    latency_seconds: float = 0.0
    applied: bool = False
    status: int = 0
    code: str = ""
    message: str = "A scripted fault."
    retry_after: str | None = None
    location: str = "https://elsewhere.example.com/"
    body: str = ""
    content_type: str = "application/json"
    seconds: float = 1.0
    size: int = 0
    patch: dict[str, Any] = field(default_factory=dict)
    fields: tuple[str, ...] = ("name", "description", "profile", "user")
    echo: bool = False
    hang: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault: {self.kind!r}")
        for name in ("probability", "latency_seconds", "seconds", "status", "size"):
            if not isinstance(getattr(self, name), int | float):
                raise ValueError(f"{name} must be a number")

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Fault":
        """Read a fault from JSON.

        Raises:
            ValueError: The kind is missing or unknown, or a member is unknown.
        """
        known = {member.name for member in fields(cls)}
        if unknown := document.keys() - known:
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
        if "kind" not in document:
            raise ValueError("kind is missing")
        return cls(**document)

    def matches(self, method: str, route: str, instance_id: str | None) -> bool:
        element_of_list = self.kind in DOCUMENT and route in RECORDS
        return (
            self.method in {None, method}
            and self.route in {None, route}
            and (element_of_list or self.instance_id in {None, instance_id})
        )


@dataclass
class _Line:
    fault: Fault
    matched: int = 0
    struck: int = 0

    def strikes(self, rng: random.Random) -> bool:
        self.matched += 1
        fault = self.fault
        if (
            fault.nth not in {None, self.matched}
            or (fault.times is not None and self.struck >= fault.times)
            or rng.random() >= fault.probability
        ):
            return False
        self.struck += 1
        return True


class FaultScript:
    """The active faults, oldest first; the first that applies wins.

    Later faults do not count a request that an earlier one took.
    """

    def __init__(self, seed: int = 1) -> None:
        self._lock = threading.Lock()
        self._rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._lines: list[_Line] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._lines.append(_Line(fault))

    def clear(self) -> None:
        with self._lock:
            self._lines.clear()

    def pick(self, method: str, route: str, instance_id: str | None) -> Fault | None:
        """Return the fault that applies to this request, if any."""
        with self._lock:
            for line in self._lines:
                if line.fault.matches(method, route, instance_id) and line.strikes(
                    self._rng
                ):
                    return line.fault
        return None

    def document(self) -> list[dict[str, Any]]:
        with self._lock:
            return [
                asdict(line.fault) | {"matched": line.matched, "struck": line.struck}
                for line in self._lines
            ]
