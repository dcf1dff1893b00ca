"""Pages in a language of marks: what stands outside them was forgotten."""

import re
from html.parser import HTMLParser

import pytest
from django.template.base import Lexer, TokenType
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import trans_real

from dashboard.accounts.models import User
from dashboard.costs.models import Budget
from dashboard.handover import wallboard_services
from dashboard.handover.services import draft
from dashboard.instances import countdown, durations
from dashboard.instances.models import Instance
from dashboard.policies.models import Rule
from dashboard.web.stored_messages import Message, verbatim
from dashboard.web.templatetags.fixed_texts import FixedText
from tests.factories import make_instance, make_price, make_run
from tests.instances.pages import add_edit

from .messages import ROOT

OPEN, CLOSE = "\N{LEFT WHITE SQUARE BRACKET}", "\N{RIGHT WHITE SQUARE BRACKET}"

DATA = frozenset({"bdi", "code", "kbd", "q", "blockquote", "time", "script", "style"})
"""Elements that hold what people typed or the cloud said, moments, or nothing shown."""

NAMES = frozenset(
    [
        *("Curfew", "ModelArts", "HTTP", "CSV", "JSON", "CPU", "GPU", "ASCEND", "GB"),
        *("DE", "CET", "UTC", "RUNNING", "EUR", "API"),
        *("English", "Deutsch", "简体中文"),
    ]
)
"""Words that are the same in every language; the last three name a language each."""

SPOKEN = ("aria-label", "title", "placeholder", "alt", "data-label")
"""Attributes that somebody reads or hears."""

FACTORY = frozenset(
    [
        *("anna", "schmidt", "tom", "becker", "admin", "operator", "demo", "training"),
        *("run", "notebook", "gpu", "cpu", "modelarts", "vm", "work", "python"),
    ]
)
"""What the factories of tests call things."""


class Words(HTMLParser):
    """Collects the text of a page that somebody sees or hears, without data."""

    VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "path", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        is_data = tag in DATA or values.get("dir") == "auto"
        if not is_data and not any(self._inside):
            self.found += [values.get(name) or "" for name in SPOKEN]
        if tag not in self.VOID:
            self._inside.append(is_data)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing is inside."""

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID and self._inside:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._inside):
            self.found.append(data)


def unmarked(page: str) -> set[str]:
    """Words of a page that no catalog knows."""
    parser = Words()
    parser.feed(page)
    # Joined: a message may hold markup, so its marks stand in different pieces.
    text = "\n".join(parser.found)
    while (bare := re.sub(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}", " ", text)) != text:
        text = bare
    return {
        word
        for word in re.findall(r"[^\W\d_]{2,}", text)
        if word not in NAMES and word.lower() not in FACTORY
    }


@pytest.fixture(autouse=True)
def marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A language in which every message is itself between marks."""

    def marked(text: str) -> str:
        return f"{OPEN}{text}{CLOSE}" if text else ""

    def gettext(message: str) -> str:
        return marked(str(message))

    def ngettext(singular: str, plural: str, number: int) -> str:
        return marked(singular if number == 1 else plural)

    from django.utils import translation

    for place in (trans_real, translation._trans):  # type: ignore[attr-defined]
        monkeypatch.setattr(place, "gettext", gettext, raising=False)
        monkeypatch.setattr(place, "ngettext", ngettext, raising=False)
        monkeypatch.setattr(
            place, "pgettext", lambda _, message: gettext(message), raising=False
        )
    # Those that an earlier test has looked up are in a genuine language.
    monkeypatch.setattr(
        FixedText, "render", lambda self, context: self._node.render(context)
    )
    monkeypatch.setattr(durations, "template_of", durations.template_of.__wrapped__)
    monkeypatch.setattr(countdown, "fixed_text", countdown.fixed_text.__wrapped__)


@pytest.fixture
def person(admin: User) -> User:
    return admin


@pytest.fixture
def pages(client: Client, person: User, instance: Instance) -> dict[str, str]:
    """The pages to look at, by their names."""
    make_instance(stops_in=-30, name="training-run")
    add_edit(
        instance,
        person,
        state="failed",
        message=verbatim("ModelArts did not answer in time."),
    )
    rule = Rule.objects.create(
        name="demo", kind=Rule.Kind.AUTO_STOP, mode=Rule.Mode.REPORT, reason="demo"
    )
    client.force_login(person)
    instance.edits.update(message=Message())
    edit = instance.edits.get()
    wall = wallboard_services.make(actor=person, name="demo")
    draft(actor=person, since=timezone.now(), ahead_hours=8)
    make_run(instance=instance, hours=9)
    budget = Budget.objects.create(
        name="demo", kind="cloud", value="demo", amount=9, currency="EUR"
    )
    price = make_price()
    where = [instance.cloud.name, instance.instance_id]
    addresses = {
        "list": reverse("instances:list"),
        "empty list": reverse("instances:list") + "?q=0000",
        "detail": reverse("instances:detail", args=where),
        "form": reverse("edits:edit", args=where),
        "stop": reverse("edits:stop", args=where),
        "edits": reverse("edits:list"),
        "change": reverse("edits:detail", args=[edit.pk]),
        "batches": reverse("edits:batches"),
        "due": reverse("handover:due"),
        "rules": reverse("policies:rules"),
        "rule": reverse("policies:rule", args=[rule.pk]),
        "compliance": reverse("policies:compliance"),
        "exceptions": reverse("policies:exceptions"),
        "costs": reverse("costs:report"),
        "costs by tag": reverse("costs:report") + "?by=tag&tag_key=demo&step=week",
        "runs": reverse("costs:runs"),
        "savings": reverse("costs:savings"),
        "budgets": reverse("costs:budgets"),
        "new budget": reverse("costs:new_budget"),
        "budget": reverse("costs:budget", args=[budget.pk]),
        "prices": reverse("costs:prices"),
        "new price": reverse("costs:new_price"),
        "price": reverse("costs:price", args=[price.pk]),
        "import prices": reverse("costs:import_prices"),
        "digest": reverse("digests:preview"),
        "schedules": reverse("schedules:list"),
        "new schedule": reverse("schedules:new"),
        "views": reverse("saved:list"),
        "people": reverse("people:list"),
        "person": reverse("people:person", args=[person.pk]),
        "add": reverse("people:add"),
        "audit": reverse("audit:list"),
        "account": reverse("mfa_index"),
        "password": reverse("account_change_password"),
        "handovers": reverse("handover:list"),
        "new handover": reverse("handover:new"),
        "walls": reverse("handover:walls"),
        "wall link": reverse("handover:wall_link", args=[wall.pk]),
        "inbox": reverse("reminders:inbox"),
        "reminders": reverse("reminders:settings"),
        "log": reverse("reminders:log"),
        "channels": reverse("reminders:channels"),
        "new channel": reverse("reminders:new_channel"),
        "tokens": reverse("tokens:mine"),
        "not found": "/no-such-page/",
    }
    return {name: client.get(address).text for name, address in addresses.items()}


def test_nothing_was_forgotten(pages: dict[str, str]) -> None:
    forgotten = {name: unmarked(page) for name, page in pages.items()}
    found = [f"{name}: {word}" for name, words in forgotten.items() for word in words]
    assert not found, "\n".join(found)


@pytest.mark.django_db
def test_nothing_was_forgotten_on_the_sign_in(client: Client) -> None:
    assert unmarked(client.get(reverse("account_login")).text) == set()


def test_the_search_finds_what_is_forgotten() -> None:
    page = f'<p title="Say">{OPEN}All <b>of</b> this{CLOSE} but that <bdi>Ada</bdi></p>'
    assert unmarked(page) == {"Say", "but", "that"}


PUNCTUATION = {
    "base.html": "()",
    "edits/detail.html": ".",
    "handover/_timeline.html": ",",
}
"""Outside messages: around the count in the title of a page, after the number of an
attempt, and in a part of an attribute."""


def bare_punctuation(template: str) -> list[str]:
    """Find what ends or divides clauses and is in no message.

    Chinese has signs of its own for all of it, and German quotation marks.
    """
    text, is_inside = "", False
    for token in Lexer(template).tokenize():
        if token.token_type is TokenType.TEXT and not is_inside:
            text += token.contents
        elif token.token_type is TokenType.BLOCK:
            name = token.contents.split()[0]
            is_inside = name in {"blocktranslate", "comment"} or (
                is_inside and name not in {"endblocktranslate", "endcomment"}
            )
    text = re.sub(
        r"<(script|style|code|kbd|svg)\b.*?</\1>|<[^>]*>", "", text, flags=re.S
    )
    return re.findall(r"[,;:()“”]|\B\.\B", re.sub(r"&\w+;", "", text))


def test_punctuation_of_templates_is_in_messages() -> None:
    folder = ROOT / "templates"
    found = {
        str(path.relative_to(folder)): "".join(bare_punctuation(path.read_text()))
        for path in folder.rglob("*.*")
        if path.suffix in {".html", ".txt"}
    }
    assert {name: signs for name, signs in found.items() if signs} == PUNCTUATION


def test_the_search_finds_bare_punctuation() -> None:
    assert bare_punctuation("<p>{{ a }}, {{ b }} ({% translate 'c' %}).</p>") == [
        *(",", "(", ")", ".")
    ]
    assert (
        bare_punctuation("{% blocktranslate %}{{ a }}: b.{% endblocktranslate %}") == []
    )
