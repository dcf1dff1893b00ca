"""The control plane under ``/_emulator/``, without a sign-in, for tests and scripts.

Keep it on loopback: anyone who reaches the port controls the cloud.

=======  =============================  ================================================
GET      /_emulator/faults              the script, with counts
POST     /_emulator/faults              one fault or a list of them, added at the end
DELETE   /_emulator/faults              forget all
GET      /_emulator/clock               now_ms, speed, skew_seconds
POST     /_emulator/clock               any of ``advance`` (s), ``speed``, ``skew`` (s)
GET      /_emulator/log                 entries; query ``route``, ``instance_id``,
                                        ``after`` (number of an entry)
GET      /_emulator/journal             changes of status, complete up to now; query
                                        ``instance_id``, ``after`` (number of a change)
GET      /_emulator/behavior            the choices of Behavior
POST     /_emulator/behavior            set some of them
GET      /_emulator/instances           raw state of all
GET      /_emulator/instances/<id>      raw state of one
POST     /_emulator/instances/<id>      set raw state, past all rules: arguments of
                                        Fleet.force
GET      /_emulator/notebooks           raw state of all, with ``ends_ms``
GET      /_emulator/notebooks/<id>      raw state of one
POST     /_emulator/notebooks/<id>      set raw state, past all rules: arguments of
                                        NotebookFleet.force
DELETE   /_emulator/tokens              revoke every token
=======  =============================  ================================================
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from .behavior import Behavior
from .clock import Clock
from .errors import RefusalError
from .faults import Fault, FaultScript
from .fleet import Fleet
from .iam import Iam
from .journal import StatusChange
from .log import RequestLog
from .members import parse_object
from .message import Answer, Request
from .notebooks import NotebookFleet

#: Fields that can be set over HTTP; the others are not JSON.
SETTABLE = frozenset(
    {
        "name",
        "description",
        "status",
        "stops_in_seconds",
        "late_seconds",
        "auto_stop",
        "frozen",
        "overrides",
        "has_credential",
        "created_ms",
        "updated_ms",
    }
)
#: The same for notebooks.
NOTEBOOK_SETTABLE = frozenset(
    {
        *("name", "description", "status", "stops_in_seconds", "late_seconds"),
        *("lease", "busy", "owner", "tags", "fail_reason", "doomed", "overrides"),
        *("feature", "created_ms", "updated_ms"),
    }
)


class Control:
    def __init__(
        self,
        clock: Clock,
        behavior: Behavior,
        fleet: Fleet,
        notebooks: NotebookFleet,
        iam: Iam,
        faults: FaultScript,
        log: RequestLog,
        journal: Callable[..., list[StatusChange]],
    ) -> None:
        self._clock = clock
        self._behavior = behavior
        self._fleet = fleet
        self._notebooks = notebooks
        self._iam = iam
        self._faults = faults
        self._log = log
        self._journal = journal

    def answer(self, request: Request) -> Answer:
        """Answer 200, 404 for an unknown path, or 400 for an invalid request."""
        name, _, rest = request.path.removeprefix("/_emulator/").partition("/")
        actions: dict[tuple[str, str], Callable[[Request, str], Any]] = {
            ("GET", "faults"): lambda *_: self._faults.document(),
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): lambda *_: self._faults.clear(),
            ("GET", "clock"): lambda *_: self._clock_document(),
            ("POST", "clock"): self._set_clock,
            ("GET", "log"): self._log_document,
            ("GET", "journal"): self._journal_document,
            ("GET", "behavior"): lambda *_: self._behavior.document(),
            ("POST", "behavior"): self._set_behavior,
            ("GET", "instances"): self._instances,
            ("POST", "instances"): self._force,
            ("GET", "notebooks"): self._notebook_states,
            ("POST", "notebooks"): self._force_notebook,
            ("DELETE", "tokens"): lambda *_: {"revoked": self._iam.revoke_all()},
        }
        action = actions.get((request.method, name))
        if action is None:
            return Answer(404, {"error": "no such control"})
        try:
            return Answer(200, action(request, rest))
        except RefusalError as refusal:
            return Answer(refusal.status, refusal.body)
        except (ValueError, TypeError, KeyError) as error:
            return Answer(400, {"error": str(error)})

    def _add_faults(self, request: Request, _: str) -> list[dict[str, Any]]:
        given = json.loads(request.body)
        for document in given if isinstance(given, list) else [given]:
            self._faults.add(Fault.from_document(document))
        return self._faults.document()

    def _clock_document(self) -> dict[str, float]:
        return {
            "now_ms": self._clock.now_ms(),
            "speed": self._clock.speed,
            "skew_seconds": self._clock.skew_seconds,
        }

    def _set_clock(self, request: Request, _: str) -> dict[str, float]:
        given = json.loads(request.body)
        setters = {
            "advance": self._clock.advance,
            "speed": self._clock.set_speed,
            "skew": self._clock.set_skew,
        }
        if unknown := given.keys() - setters.keys():
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
        for name, value in given.items():
            setters[name](float(value))
        return self._clock_document()

    def _log_document(self, request: Request, _: str) -> list[dict[str, Any]]:
        query = request.query
        entries = self._log.entries(
            route=query.get("route"),
            instance_id=query.get("instance_id"),
            after=int(query.get("after", "0")),
        )
        return [asdict(entry) for entry in entries]

    def _journal_document(self, request: Request, _: str) -> list[dict[str, Any]]:
        query = request.query
        changes = self._journal(
            instance_id=query.get("instance_id"), after=int(query.get("after", "0"))
        )
        return [asdict(change) for change in changes]

    def _set_behavior(self, request: Request, _: str) -> dict[str, Any]:
        self._behavior.change(parse_object(request.body))
        return self._behavior.document()

    def _notebook_states(self, _: Request, notebook_id: str) -> Any:
        notebooks = self._notebooks
        if notebook_id:
            return notebooks.state(notebooks.get(notebook_id))
        return [notebooks.state(notebook) for notebook in notebooks.notebooks()]

    def _force_notebook(self, request: Request, notebook_id: str) -> dict[str, Any]:
        given = parse_object(request.body)
        if unknown := given.keys() - NOTEBOOK_SETTABLE:
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
        return self._notebooks.state(self._notebooks.force(notebook_id, **given))

    def _instances(self, _: Request, instance_id: str) -> Any:
        if instance_id:
            return asdict(self._fleet.get(instance_id))
        return [asdict(instance) for instance in self._fleet.instances()]

    def _force(self, request: Request, instance_id: str) -> dict[str, Any]:
        given = parse_object(request.body)
        if unknown := given.keys() - SETTABLE:
            raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
        return asdict(self._fleet.force(instance_id, **given))
