"""An emulator of the cloud: IAM, ModelArts and prices over real HTTP, on one port.

Written from the API documents, never from Curfew's own client, with which it shares no
code. In a test::

    with Emulator(fleet=60, seed=1, speed=1.0) as cloud:
        ...  # cloud.url, cloud.clouds_yaml(), cloud.fleet, cloud.faults, cloud.log

or as a program: ``python -m dashboard.emulator --port 8900 --fleet 60``.
With ``notebooks=0.5`` half of the fleet is of the newer generation: see the package
``notebooks`` and ``cloud.notebooks``.

Under ``/_emulator/`` it has a control plane without any sign-in (see the module
``control``), for tests and scripts on the same machine: do not expose the port.
``docs/emulator.md`` says what it emulates and what was chosen where the documents are
silent.
"""

from .app import ROUTES
from .behavior import Behavior
from .clock import Clock
from .cloud import Emulator
from .faults import Fault, FaultScript
from .fleet import Applied, Fleet
from .instance import STATUSES, AutoStop, Failure, Instance
from .journal import StatusChange
from .log import LogEntry, RequestLog
from .notebooks import Notebook, NotebookFleet
from .notebooks.notebook import NOTEBOOK_CANARIES
from .people import PEOPLE, SERVICE_USER, User
from .repository import CANARIES as DEMANAGER_CANARIES

#: Every secret that an instance of either generation may contain.
CANARIES = (*DEMANAGER_CANARIES, *NOTEBOOK_CANARIES)

__all__ = [
    "CANARIES",
    "PEOPLE",
    "ROUTES",
    "SERVICE_USER",
    "STATUSES",
    "Applied",
    "AutoStop",
    "Behavior",
    "Clock",
    "Emulator",
    "Failure",
    "Fault",
    "FaultScript",
    "Fleet",
    "Instance",
    "LogEntry",
    "Notebook",
    "NotebookFleet",
    "RequestLog",
    "StatusChange",
    "User",
]
