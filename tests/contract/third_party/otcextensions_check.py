"""Drive the cloud named ``demo`` through otcextensions, and print what was seen.

Runs in an environment of its own, which has otcextensions and nothing of this project:
``test_otcextensions.py`` starts it. The one argument is the name of a stopped instance.
"""

import json
import sys
import time
from typing import Any

import openstack
from otcextensions import sdk

DEADLINE_SECONDS = 60


def main(name: str) -> None:
    """List, get, start, update, stop; print one JSON object with the findings."""
    connection = openstack.connect(cloud="demo")
    sdk.register_otc_extensions(connection)
    modelarts = connection.modelartsv1

    listed = list(modelarts.devenv_instances(show_self="false"))
    one = next(instance for instance in listed if instance.name == name)
    found = modelarts.get_devenv_instance(one.id)
    started = modelarts.start_devenv_instance(one.id)
    running = wait_for(modelarts, one.id, "RUNNING")
    updated = modelarts.update_devenv_instance(
        one.id,
        description="changed by otcextensions",
        spec={"auto_stop": {"enable": True, "duration": 7_200, "prompt": False}},
    )
    stopped = modelarts.stop_devenv_instance(one.id)
    final = wait_for(modelarts, one.id, "STOPPED")
    sys.stdout.write(
        json.dumps(
            {
                "listed": len(listed),
                "id": one.id,
                "got": [found.name, found.status, found.user["name"]],
                "start": [started.previous_state, started.current_status],
                "stop_timestamp": running.spec.auto_stop.stop_timestamp,
                "updated": [updated.description, updated.spec.auto_stop.duration],
                "stop": [stopped.previous_state, stopped.current_status],
                "final": [final.description, final.status],
                "refusal": refusal_of_a_second_stop(modelarts, one.id),
            }
        )
    )


def wait_for(modelarts: Any, instance_id: str, status: str) -> Any:
    """Poll until the instance has the status; TimeoutError after a minute."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        instance = modelarts.get_devenv_instance(instance_id)
        if instance.status == status:
            return instance
        time.sleep(0.05)
    raise TimeoutError(f"{instance_id} is {instance.status}, not {status}")


def refusal_of_a_second_stop(modelarts: Any, instance_id: str) -> str:
    """Return what the SDK makes of ModelArts.6307."""
    try:
        modelarts.stop_devenv_instance(instance_id)
    except openstack.exceptions.BadRequestException as error:
        return str(error)
    return ""


if __name__ == "__main__":
    main(sys.argv[1])
