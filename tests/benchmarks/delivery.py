"""From a click to the cloud, once and a thousand times."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.ops.processes import wait_until

from .measure import middle
from .place import Place

LATENCY_SECONDS = 0.05
CONNECTIONS = 4


def click_to_put(place: Place, clicks: int) -> dict[str, Any]:
    """From the form's POST to the arrival of the PUT, while nothing else happens."""
    instances = place.ask("some_instances", number=clicks)

    def typed(number: int) -> dict[str, str]:
        return {
            "description": f"click {number} {time.time()}",
            "auto_stop_hours": "8",
        }

    return _clicks(place, instances, "edit/", typed, "update")


def click_to_patch(place: Place, clicks: int) -> dict[str, Any]:
    """The same for an extension: from the POST to the arrival of the PATCH."""
    notebooks = place.ask("some_notebooks", number=clicks)
    return _clicks(
        place, notebooks, "extend/", lambda _: {"hours": "20"}, "notebooks.renew"
    )


def _clicks(
    place: Place,
    instances: list[dict[str, Any]],
    page: str,
    typed: Callable[[int], dict[str, str]],
    route: str,
) -> dict[str, Any]:
    waits, answers, turns = [], [], []
    for number, one in enumerate(instances):
        browser = _Browser(place, 1)
        url = f"{one['url']}{page}"
        form = browser.form(url) | typed(number)
        before = len(place.log(route))
        sent_ms = time.time() * 1000
        assert browser.post(url, form).status_code == 303
        answers.append(time.time() * 1000 - sent_ms)
        wait_until(lambda n=before: len(place.log(route)) > n, seconds=20)
        waits.append(place.log(route)[before]["wall_ms"] - sent_ms)
        turns.append([at - sent_ms for at in place.ask("last_turn")])
        time.sleep(0.3)
    return {
        "median_ms": middle(waits),
        "worst_ms": max(waits),
        "answered_ms": middle(answers),
        **{
            name: middle([turn[at] for turn in turns])
            for at, name in enumerate(("accepted_ms", "claimed_ms", "authorized_ms"))
        },
        "clicks": len(waits),
    }


def bulk(place: Place, number: int) -> dict[str, Any]:
    """Many edits by the pages and the workers, beside loops of the same calls.

    All of them wait for the same cloud, which takes its time for each call, over the
    same number of connections.
    """
    chosen = place.ask("some_instances", number=number)
    fault = {"kind": "delay", "latency_seconds": LATENCY_SECONDS}
    place.cloud.post("/_emulator/faults", json=fault).raise_for_status()
    counts = {route: len(place.log(route)) for route in ("show", "update")}
    asked, confirmed = submit(place, [one["pk"] for one in chosen])
    began = time.perf_counter()
    wait_until(lambda: place.ask("open_edits") == 0, seconds=400)
    delivered = time.perf_counter() - began
    calls = sum(len(place.log(route)) - n for route, n in counts.items())
    # Afterwards: what a stranger has changed would be a conflict, and not be sent.
    loops = {
        name: asyncio.run(_loop(place, chosen, calls=name.split(", ")))
        for name in ("PUT", "GET, PUT", "GET, PUT, GET")
    }
    place.cloud.delete("/_emulator/faults").raise_for_status()
    return {
        "edits": len(chosen),
        "selected_and_previewed_s": asked,
        "submit_s": confirmed,
        "delivered_s": delivered,
        "calls an edit": calls / len(chosen),
        **{f"loop of {name}, s": seconds for name, seconds in loops.items()},
        **{f"ratio to {name}": delivered / seconds for name, seconds in loops.items()},
        "states": place.ask("states"),
    }


def at_rate(place: Place, rate: float, number: int) -> dict[str, Any]:
    """Many edits, beside a loop of the PUTs that is held to the same rate.

    The loop is a script: it reads nothing, records nothing, and waits for its turn.
    """
    chosen = place.ask("some_instances", number=number)
    routes = ("show", "list", "update")
    counts = {route: len(place.log(route)) for route in routes}
    _, confirmed = submit(place, [one["pk"] for one in chosen])
    began = time.perf_counter()
    wait_until(lambda: place.ask("open_edits") == 0, seconds=600, every=0.1)
    delivered = time.perf_counter() - began
    asked = {route: len(place.log(route)) - n for route, n in counts.items()}
    loop = asyncio.run(_loop(place, chosen, calls=["PUT"], rate=rate))
    return {
        "edits": len(chosen),
        "rate": rate,
        "submit_s": confirmed,
        "delivered_s": delivered,
        "loop_s": loop,
        "ratio": delivered / loop,
        "calls": asked,
        "states": place.ask("states"),
    }


def submit(place: Place, pks: list[int]) -> tuple[float, float]:
    """Tick, choose, confirm, as a person does.

    Returns:
        Seconds until the preview stands there; and from the yes until the page of the
        batch does.
    """
    browser = _Browser(place, 0)
    form = browser.form("/instances/?per_page=25")
    began = time.perf_counter()
    change = {"action": "hours", "auto_stop_hours": "7.5"}
    picked = {"picked": ",".join(map(str, pks))}
    drafted = browser.post("/bulk/", form | picked | change)
    assert drafted.status_code == 303, drafted.status_code
    draft = drafted.headers["Location"]
    preview = browser.form(draft)
    asked = time.perf_counter() - began
    began = time.perf_counter()
    typed = {"number": str(len(pks))}
    confirmed = browser.post(f"{draft}confirm/", preview | typed)
    assert confirmed.status_code == 303, confirmed.status_code
    page = browser.get(confirmed.headers["Location"])
    assert page.status_code == 200, page.status_code
    return asked, time.perf_counter() - began


class _Browser:
    """Somebody signed in, with the cookies and hidden fields of forms."""

    def __init__(self, place: Place, number: int) -> None:
        session = place.headers(number)["Cookie"].partition("=")[2]
        self._http = httpx.Client(
            base_url=f"http://localhost:{place.port}",
            cookies={"sessionid": session},
            trust_env=False,
            timeout=60,
        )

    def get(self, path: str) -> httpx.Response:
        """A page."""
        return self._http.get(path)

    def form(self, path: str) -> dict[str, str]:
        """The hidden fields of a page's forms."""
        text = self.get(path).raise_for_status().text
        names = ("csrfmiddlewaretoken", "seen", "preview")
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', text))
        found = {name: fields[name] for name in names if name in fields}
        return found | {"auto_stop_enable": "on"} if "seen" in found else found

    def post(self, path: str, form: dict[str, str]) -> httpx.Response:
        """Its answer, without following it."""
        return self._http.post(path, data=form)


async def _loop(
    place: Place,
    chosen: list[dict[str, Any]],
    *,
    calls: list[str],
    rate: float | None = None,
) -> float:
    """What a script with asyncio and httpx takes for the same changes.

    Args:
        rate: Requests a second; None for as fast as it goes.
    """
    limits = httpx.Limits(max_connections=2 * CONNECTIONS if rate else CONNECTIONS)
    text = (place.folder / "clouds.yaml").read_text()
    told = dict(re.findall(r"^\s+(\w+): [\"']?([^\"'\n]+)", text, re.MULTILINE))
    identity = {
        "methods": ["password"],
        "password": {
            "user": {
                "name": told["username"],
                "password": told["password"],
                "domain": {"name": told["user_domain_name"]},
            }
        },
    }
    scope = {"project": {"id": told["project_id"]}}
    async with httpx.AsyncClient(
        base_url=place.cloud_url, limits=limits, trust_env=False, timeout=120
    ) as client:
        signed = await client.post(
            "/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}
        )
        client.headers["X-Auth-Token"] = signed.headers["X-Subject-Token"]
        root = f"/v1/{told['project_id']}/demanager/instances"
        body = {"auto_stop": {"enable": True, "duration": 3_600 * len(calls)}}
        began = time.perf_counter()

        async def one(number: int, instance: dict[str, Any]) -> None:
            if rate:
                await asyncio.sleep(number / rate)
            for method in calls:
                path = f"{root}/{instance['id']}"
                payload = body if method == "PUT" else None
                answer = await client.request(method, path, json=payload)
                answer.raise_for_status()

        await asyncio.gather(*(one(*numbered) for numbered in enumerate(chosen)))
        return time.perf_counter() - began
