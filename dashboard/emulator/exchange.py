"""Turns requests into bytes for the connection, including faults.

A request is logged before the first byte of its answer is sent, so that a client with
the answer finds the entry.
"""

import threading
import time
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Literal

from . import spoiling
from .app import App, Route, find_route
from .clock import Clock
from .control import Control
from .faults import (
    DOCUMENT,
    LISTS,
    REPLACED,
    SPOILED,
    UNANSWERED,
    Fault,
    FaultScript,
)
from .fleet import Applied
from .log import LogEntry, RequestLog
from .message import Answer, Request

WRITES = frozenset(
    {
        *("create", "update", "action", "delete"),
        *("notebooks.create", "notebooks.update", "notebooks.delete"),
        *("notebooks.start", "notebooks.stop", "notebooks.renew"),
        *("notebooks.tags.create", "notebooks.tags.delete"),
    }
)
#: Answers with instances, leases or prices, which faults can spoil.
DOCUMENTS = frozenset(
    {
        *("list", "show", "update"),
        *("notebooks.list", "notebooks.list_all", "notebooks.show"),
        *("notebooks.update", "notebooks.start", "notebooks.stop"),
        *("notebooks.lease", "notebooks.renew"),
        "ratings",
    }
)
#: What shows the stored values of a write that was not carried out.
READ_BACK = {
    "update": "show",
    "notebooks.update": "notebooks.show",
    "notebooks.renew": "notebooks.lease",
}


@dataclass(frozen=True)
class Delivery:
    """The answer as the connection sends it.

    Attributes:
        ending: Keep the connection, close it, reset it, or leave it open in silence.
        drip_seconds: Wait between two bytes; 0 sends all at once.
    """

    data: bytes = b""
    ending: Literal["keep", "close", "reset", "hang"] = "keep"
    drip_seconds: float = 0.0


class Exchange:
    """Answers requests, with scripted faults.

    Args:
        control: The control plane under ``/_emulator``, without faults and log.
    """

    def __init__(
        self,
        app: App,
        control: Control,
        clock: Clock,
        faults: FaultScript,
        log: RequestLog,
    ) -> None:
        self._app = app
        self._control = control
        self._clock = clock
        self._faults = faults
        self._log = log
        self._last_record: dict[str, Any] | None = None
        self._late_writes: list[threading.Timer] = []

    def land_late_writes(self) -> None:
        """Apply all writes that a fault holds back, in their order."""
        timers, self._late_writes = self._late_writes, []
        for timer in timers:
            timer.cancel()
            timer.function()

    def perform(self, request: Request, stopping: threading.Event) -> Delivery:
        """Answer a request; ``stopping`` ends all waits when the server stops."""
        if request.path.startswith("/_emulator/"):
            return self._delivery(request, self._control.answer(request))
        route = find_route(request.method, request.path)
        times = (self._clock.now_ms(), int(time.time() * 1000))
        fault = self._faults.pick(request.method, route.name, route.instance_id)
        if fault is None:
            answer = self._app.answer(request, route)
            self._note(request, route, times, answer.status, None, answer.applied)
            return self._delivery(request, answer)
        stopping.wait(fault.latency_seconds)
        return self._faulty(request, route, times, fault)

    def _faulty(
        self, request: Request, route: Route, times: tuple[int, int], fault: Fault
    ) -> Delivery:
        if fault.kind in UNANSWERED | REPLACED:
            applied = None
            if fault.applied:
                applied = self._app.answer(request, route).applied
            if fault.kind in REPLACED:
                answer, body = spoiling.replacement(fault, request)
                status: int | None = answer.status
                delivery = self._delivery(request, answer, body)
            else:
                status, delivery = None, _silence(fault.kind)
            self._note(request, route, times, status, fault, applied)
            return delivery
        if fault.kind == "late":
            return self._late(request, route, times, fault)
        answer = self._app.answer(request, route, dry=fault.kind == "not_changed")
        if fault.kind == "not_changed" and route.name in READ_BACK and not fault.echo:
            answer = self._unchanged(request, route, answer)
        if answer.status == HTTPStatus.OK:
            self._spoil(fault, route, request, answer)
        self._note(request, route, times, answer.status, fault, answer.applied)
        return self._spoiled_delivery(request, answer, fault)

    def _unchanged(self, request: Request, route: Route, answer: Answer) -> Answer:
        """Answer a write that was not carried out with the stored values."""
        if answer.status != HTTPStatus.OK or route.project_id is None:
            return answer
        show = Route(READ_BACK[route.name], route.instance_id, route.project_id)
        return self._app.answer(request, show)

    def _spoil(
        self, fault: Fault, route: Route, request: Request, answer: Answer
    ) -> None:
        if fault.kind in DOCUMENT and route.name in DOCUMENTS:
            answer.document = spoiling.spoil_documents(fault, answer.document)
        if route.name not in LISTS:
            return
        total, data = LISTS[route.name]
        if fault.kind == "total_wrong":
            answer.document[total] += spoiling.usual_size(fault)
        if fault.kind == "duplicates" and answer.document[data]:
            records = answer.document[data]
            last, self._last_record = self._last_record, records[-1]
            if last is not None and request.query.get("offset", "0") != "0":
                records[0] = last

    def _late(
        self, request: Request, route: Route, times: tuple[int, int], fault: Fault
    ) -> Delivery:
        answer = spoiling.error_answer(fault, request, fault.status or 504)
        status = None if fault.hang else answer.status
        entry = self._note(request, route, times, status, fault, None)

        landed = threading.Lock()

        def take_effect() -> None:
            if not landed.acquire(blocking=False):
                return
            times = (self._clock.now_ms(), int(time.time() * 1000))
            late = self._app.answer(request, route)
            self._note(request, route, times, None, fault, late.applied, entry.number)

        timer = threading.Timer(fault.seconds, take_effect)
        timer.daemon = True
        self._late_writes.append(timer)
        timer.start()
        return _silence("hang") if fault.hang else self._delivery(request, answer)

    def _spoiled_delivery(
        self, request: Request, answer: Answer, fault: Fault
    ) -> Delivery:
        body = answer.body()
        if fault.kind in SPOILED and body.endswith(b"}"):
            body, answer.headers = spoiling.spoil_bytes(fault, body, answer.headers)
        delivery = self._delivery(request, answer, body)
        if fault.kind == "truncate":
            cut = len(delivery.data) - (len(body) + 1) // 2
            return Delivery(delivery.data[:cut], "close")
        if fault.kind == "drip":
            return Delivery(delivery.data, "keep", fault.seconds)
        return delivery

    def _delivery(
        self, request: Request, answer: Answer, body: bytes | None = None
    ) -> Delivery:
        if body is None:
            body = answer.body()
        headers = {
            "Date": formatdate(self._clock.now_ms() / 1000, usegmt=True),
            "X-Request-Id": request.id,
        }
        if answer.status != HTTPStatus.NO_CONTENT:
            headers |= {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
            }
        lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}"]
        lines += [
            f"{name}: {value}" for name, value in (headers | answer.headers).items()
        ]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return Delivery(head if request.method == "HEAD" else head + body)

    def _note(
        self,
        request: Request,
        route: Route,
        times: tuple[int, int],
        status: int | None,
        fault: Fault | None,
        applied: Applied | None,
        late_for: int | None = None,
    ) -> LogEntry:
        body = None
        if route.name in WRITES:
            body = request.body.decode(errors="replace")
        return self._log.append(
            lambda number: LogEntry(
                number=number,
                at_ms=times[0],
                wall_ms=times[1],
                method=request.method,
                route=route.name,
                path=request.path,
                query=request.query,
                instance_id=route.instance_id,
                request_id=request.id,
                body=body,
                status=status,
                fault=fault.kind if fault else None,
                applied=applied,
                late_for=late_for,
            )
        )


def _silence(kind: str) -> Delivery:
    endings: dict[str, Delivery] = {
        "drop": Delivery(ending="close"),
        "reset": Delivery(ending="reset"),
        "hang": Delivery(ending="hang"),
    }
    return endings[kind]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
