"""A process that runs commands in another place's database, line by line.

The process that runs pytest has a database of its own.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dashboard.ops.managed_process import PROJECT


class Agent:
    """Runs a module that reads ``[order, arguments]`` and answers in JSON.

    It starts with the first order. Threads take turns.

    Args:
        module: What to run, as with ``python -m``.
        environment: Added to our own.
        log_path: Its standard error is appended here.
    """

    def __init__(
        self, module: str, environment: Mapping[str, str], log_path: Path
    ) -> None:
        self._module = module
        self._environment = environment
        self._log_path = log_path
        self._process: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()

    def ask(self, order: str, **arguments: Any) -> Any:
        """Have it do something.

        Raises:
            RuntimeError: It could not; the message has the reason.
        """
        with self._turn:
            process = self._running()
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps([order, arguments]) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the agent has ended"}
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """Let it end, if it runs."""
        process, self._process = self._process, None
        if process and process.stdin and process.stdout:
            process.stdin.close()
            process.wait(timeout=60)
            process.stdout.close()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            with self._log_path.open("a") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", self._module],
                    cwd=PROJECT,
                    env=os.environ | dict(self._environment),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        return self._process


def obey(
    orders: Mapping[str, Callable[..., Any]], *, afterwards: Callable[[], None]
) -> None:
    """Be such a process until standard input ends.

    Args:
        orders: What can be asked for.
        afterwards: Called after each.
    """
    answers = sys.stdout
    sys.stdout = sys.stderr  # keeps everybody else's words out of the answers
    for line in sys.stdin:
        order, arguments = json.loads(line)
        try:
            answer = {"result": orders[order](**arguments)}
        except Exception as error:  # whatever it is, the asker shall see it
            answer = {"error": f"{type(error).__name__}: {error}"}
        afterwards()
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()
