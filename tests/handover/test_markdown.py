"""A handover as Markdown."""

import pytest
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.handover import services
from dashboard.handover.markdown import MAX_CHARACTERS, escape, markdown
from dashboard.handover.models import Handover
from tests.factories import make_instance

from .handovers import draw


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain words", "plain words"),
        ("a\n# b", "a # b"),
        ("# b", r"\# b"),
        ("[x](javascript:1)", r"\[x\](javascript:1)"),
        ("a[x]: [b] c", r"a[x\]: [b] c"),
        (r"C:\dir \*", r"C:\dir \\\*"),
        ("2 * 3 ~ 6 | $5 < 7 #12", "2 * 3 ~ 6 | $5 < 7 #12"),
        ("<img src=x>", r"\<img src=x>"),
        ("1. first", r"1\. first"),
        ("- first", r"\- first"),
        ("===", r"\==="),
        ("*_`|~", r"\*\_\`|\~"),
        ("&lt; R&D", r"\&lt; R&D"),
        ("eu-de: 14:30, 1.5 h (a_b_c!)", "eu-de: 14:30, 1.5 h (a_b_c!)"),
        ("_a_", r"\_a\_"),
        # Neither links nor mentions, in the chats that make them of plain text.
        ("https://status.example.org", "https://\u2060status.example.org"),
        ("//evil.example/x", "//\u2060evil.example/x"),
        ("www.evil.example", "www.\u2060evil.example"),
        ("_www.evil.example", "\\_www.\u2060evil.example"),
        ("a@b.c", "a@\u2060b.c"),
        ("xmpp:a@b.c", "xmpp:\u2060a@\u2060b.c"),
        ("gpu\u202efdp", "gpu fdp"),
    ],
)
def test_a_name_is_no_markup(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_markdown(draft: Handover, operator: User) -> None:
    make_instance(name="evil](x)\n# owned", stops_in=600)
    text = markdown(
        draw(draft, operator),
        title="Night shift",
        signatures=["Draft"],
        url="https://c.x/1/",
    )
    assert text.startswith("# Night shift\n\nDraft · https://c.x/1/\n")
    assert "\n## Stops due (1)\n\n- Due to stop by " in text
    assert r"evil\](x) # owned" in text
    assert "\n# owned" not in text
    # What is empty is left out.
    assert text.count("\n## ") == 1


def test_markdown_fits_into_a_chat(draft: Handover, operator: User) -> None:
    for number in range(60):
        services.add_note(handover=draft, actor=operator, text=f"{number} {'x' * 200}")
    draft.summary = "Quiet. " * 500
    url = "https://c.x/1/"
    text = markdown(draw(draft, operator), title="Shift", signatures=[], url=url)
    assert 3_000 < len(text) <= MAX_CHARACTERS
    shown = text.count("\n- ")
    assert text.endswith(f"\n\nand {60 - shown} more: {url}\n")


def test_markdown_in_german(draft: Handover, operator: User) -> None:
    make_instance(name="odd", status="START_FAILED", status_since=timezone.now())
    with translation.override("de"):
        text = markdown(
            draw(draft, operator), title="Übergabe", signatures=[], url="https://c.x/1/"
        )
    assert "\n## Fehlgeschlagen oder unbekannt (1)\n\n- Fehlgeschlagen seit " in text


def test_markdown_keeps_the_line_breaks_of_notes_and_leaves_out_empty_fields(
    draft: Handover, operator: User
) -> None:
    text = "Disk is full:\n- move a-b\n\nThen look again"
    services.add_note(handover=draft, actor=operator, text=text, owner="ada")
    services.add_note(
        handover=draft, actor=operator, text="x", next_action="Call eu-de"
    )
    draft.summary = "Quiet.\nTwo things."
    text = markdown(
        draw(draft, operator),
        title="Handover",
        signatures=["Draft"],
        url="https://c.x/1/",
    )
    assert "\n\nQuiet.  \nTwo things.\n" in text
    assert (
        "\n- Disk is full:  \n  \\- move a-b\n\n  Then look again · Owner: ada\n"
        "- x · Next: Call eu-de\n"
    ) in text
