"""Text that others wrote, as it goes into mail, chats and files."""

import pytest

from dashboard.web.plain_text import one_line, without_links


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two\r\nlines\x1b[31m", "two lines [31m"),
        ("\u202egnp.exe", "gnp.exe"),
        ("zero\u200bwidth", "zero width"),
        ("👩\u200d👩\u200d👧 lab", "👩\u200d👩\u200d👧 lab"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("\u200dlost\u200c joiner \u200d", "lost joiner"),
        ("a" * 121, "a" * 120 + "…"),
    ],
)
def test_one_line_keeps_what_is_visible(text: str, expected: str) -> None:
    assert one_line(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/login",
        "www.evil.example",
        "//evil.example/x",
        "mail a@b.c",
        "xmpp:a@b.c",
        "mailto:x",
    ],
)
def test_no_link_is_left(text: str) -> None:
    defused = without_links(text)
    assert defused.replace("\N{WORD JOINER}", "") == text
    for trace in ("//e", "@b", "www.e", "xmpp:a", "mailto:x"):
        assert trace not in defused


@pytest.mark.parametrize(
    "text", ["anna.schmidt", "resnet-50_v1.5", "a: b", "a:b", "3.14", "end."]
)
def test_ordinary_names_stay_as_they_are(text: str) -> None:
    assert without_links(text) == text
