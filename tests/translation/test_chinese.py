"""How Chinese messages are written."""

import re
from collections.abc import Iterator

import pytest
from babel.messages.pofile import read_po

from .messages import DOMAINS, LOCALE

HAN = "[\u4e00-\u9fff]"
WIDE = "[\u3001\u3002\u201c\u201d\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f]"
DATES = {
    *("Y年n月", "Y年n月j日", "Y年n月j日 D", "Y年n月j日 l", "Y年n月j日 H:i"),
    *("Y年n月j日 H:i:s", "n月j日 D", "n月j日 D H:i"),
}
"""Formats, whose letters are replaced by numbers."""

MISTAKES = {
    "no space between Latin and Chinese": f"{HAN}[A-Za-z0-9]|[A-Za-z0-9]{HAN}",
    "half-width punctuation": f"{HAN} ?[,;:?!()]|[,;:?!]{HAN}",
    "a space at full-width punctuation": f"{WIDE} | {WIDE}",
}
WORDS = {
    "逾期": "超时未停止",
    "账户": "账号",
    "无自动停止": "未开启自动停止",
    "等待批准": "等待审批",
    "笔记本实例": "Notebook 实例",
    "免打扰": "静默",
    "凭证": "凭据",
    "末日": "最后一天",
    "消息代理": "broker",
    "工作区": "工作空间",
}
"""Words of an earlier translation, and of other consoles, for one idea each."""


def texts() -> Iterator[str]:
    for domain in DOMAINS:
        path = LOCALE / "zh_Hans" / "LC_MESSAGES" / f"{domain}.po"
        with path.open("rb") as file:
            for message in read_po(file):
                if message.id:
                    one = isinstance(message.string, str)
                    yield from [message.string] if one else message.string


def shown(text: str) -> str:
    """Return a message without markup; a placeholder may stand for any language."""
    return re.sub(r"%\(\w+\)s|<[^>]+>", "\u200b", text)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_punctuation_and_spaces(mistake: str) -> None:
    pattern = re.compile(MISTAKES[mistake])
    found = {text for text in texts() if pattern.search(shown(text))}
    assert found - DATES == set()


@pytest.mark.parametrize("word", WORDS)
def test_one_word_for_one_idea(word: str) -> None:
    assert [text for text in texts() if word in text] == []
