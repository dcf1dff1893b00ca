"""Somebody at a browser: signs in, opens the form, changes a field, saves."""

import itertools
import re
import time
from collections.abc import Iterable
from datetime import datetime
from html.parser import HTMLParser
from typing import Any

import httpx

from .cast import PASSWORD
from .evidence import END, Acceptance

_forms = itertools.count(1)


class SaveError(Exception):
    """A page did not accept what was sent; ``status`` says what it did."""

    def __init__(self, answer: httpx.Response) -> None:
        page = answer.text.partition("<main")[2] or answer.text
        words = " ".join(re.sub(r"<[^>]*>", " ", page).split())
        super().__init__(f"{answer.status_code}: {words[:1000]}")
        self.status = answer.status_code
        self.text = answer.text


class _Fields(HTMLParser):
    """What a browser would post of a page's forms, untouched."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._area: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name")
        if tag == "textarea" and name:
            self._area = name
            self.values[name] = ""
        if tag != "input" or not name:
            return
        is_box = given.get("type") in {"checkbox", "radio"}
        if not is_box or "checked" in given:
            self.values[name] = given.get("value") or ("on" if is_box else "")

    def handle_data(self, data: str) -> None:
        if self._area:
            # The line break behind the tag is layout.
            text = data if self.values[self._area] else data.removeprefix("\n")
            self.values[self._area] += text

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = None


class OpenForm:
    """The form of one instance, as it was when it was opened."""

    def __init__(self, person: "Person", instance: str, page: str = "edit") -> None:
        self.person = person
        self.instance = instance
        self.url = f"/instances/demo/{instance}/{page}/"
        self.name = f"form {next(_forms)}"
        page = person.browser.get(self.url)
        if page.status_code != 200:
            raise SaveError(page)
        self.fields = _Fields(page.text).values

    @property
    def hours(self) -> str:
        """The run time it shows; empty while auto stop is off."""
        on = "auto_stop_enable" in self.fields
        return self.fields["auto_stop_hours"] if on else ""

    def save(self, *, hours: int | None = None, **typed: str) -> Acceptance:
        """Change fields and post the form.

        Raises:
            SaveError: It was not accepted.
            httpx.HTTPError: Nobody answered.
        """
        requested: dict[str, Any] = dict(typed)
        if hours is not None:
            requested["auto_stop_duration"] = hours * 3600
            typed["auto_stop_hours"] = str(hours)
        return self.post(requested, **typed)

    def extend(self, until: datetime) -> Acceptance:
        """Ask for another end of the run; as ``save``."""
        requested = {END: round(until.timestamp() * 1000)}
        return self.post(requested, until=until.isoformat())

    def post(self, requested: dict[str, Any], **typed: str) -> Acceptance:
        """Post the form with what was typed; as ``save``."""
        began = time.time() * 1000
        answer = self.person.browser.post(self.url, data=self.fields | typed)
        if answer.status_code != 303:
            raise SaveError(answer)
        ended = time.time() * 1000
        return Acceptance(
            self.name, self.instance, self.person.name, requested, began, ended
        )


class Person:
    """One person's browser, signed in.

    Raises:
        SaveError: They were not let in.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.browser = httpx.Client(base_url=url, trust_env=False, timeout=120)
        page = self.browser.get("/accounts/login/").raise_for_status()
        fields = _Fields(page.text).values | {"login": name, "password": PASSWORD}
        answer = self.browser.post("/accounts/login/", data=fields)
        if answer.status_code != 302:
            raise SaveError(answer)

    def open(self, instance: str) -> OpenForm:
        """Open the form of an instance."""
        return OpenForm(self, instance)

    def extension(self, instance: str) -> OpenForm:
        """Open the page that extends the run of a notebook."""
        return OpenForm(self, instance, page="extend")

    def describe(self, instance: str, text: str) -> Acceptance:
        """Open the form, type another description, save."""
        return self.open(instance).save(description=text)

    def select(self, keys: Iterable[int], *, hours: str) -> "Draft":
        """Tick instances in the list, say how long each shall run, see the preview."""
        page = self.browser.get("/instances/").raise_for_status()
        fields = {
            "csrfmiddlewaretoken": _Fields(page.text).values["csrfmiddlewaretoken"],
            "picked": ",".join(map(str, keys)),
            "action": "hours",
            "auto_stop_hours": hours,
        }
        answer = self.browser.post("/bulk/", data=fields)
        if answer.status_code != 303:
            raise SaveError(answer)
        return Draft(self, answer.headers["Location"])

    def poll(self, page: str) -> httpx.Response:
        """Ask for news as an open page does."""
        found = re.search(r'<div id="poller"[^>]* hx-get="([^"]+)"', page)
        grant = re.search(r"hx-headers='{\"Curfew-Poll-Token\": \"([^\"]+)\"}'", page)
        assert found
        assert grant
        return self.browser.get(
            found[1].replace("&amp;", "&"),
            headers={"HX-Request": "true", "Curfew-Poll-Token": grant[1]},
        )


class Draft:
    """A bulk edit before the yes.

    Attributes:
        text: Its page.
    """

    def __init__(self, person: Person, url: str) -> None:
        self.person = person
        self.url = url
        self.text = person.browser.get(url).raise_for_status().text

    def confirm(self) -> str:
        """Say yes; return the address of the batch.

        Raises:
            SaveError: It was not accepted.
            httpx.HTTPError: Nobody answered.
        """
        answer = self.person.browser.post(
            f"{self.url}confirm/", data=_Fields(self.text).values
        )
        url: str = answer.headers.get("Location", "")
        if answer.status_code != 303 or not url.startswith("/batches/"):
            raise SaveError(answer)
        return url
