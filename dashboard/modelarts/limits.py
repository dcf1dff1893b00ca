"""The limits of what is sent; no other module repeats them.

Source: "Modifying the Description of a Development Environment Instance", tables 2
and 4; errors ModelArts.6334 and ModelArts.6349. For notebooks
``docs/modelarts-api.md``, B.1, B.5 and B.6; the characters of tags are documented by
the vendor's SDK alone.
"""

import re
import unicodedata

from dashboard.modelarts.messages import Problem, ProblemText

DESCRIPTION_MAX_LENGTH = 512
"""In code points: the document says "characters" and leaves the unit open."""

DESCRIPTION_FORBIDDEN = "&<>\"'/"
"""Characters that a description may not contain."""

AUTO_STOP_MIN_SECONDS = 3_600
"""Shortest run time, 1 h."""

AUTO_STOP_MAX_SECONDS = 86_400
"""Longest run time, 24 h."""

NAME_MAX_LENGTH = 128
"""Of a notebook."""

MIN_RUN_SECONDS = 3_600
"""Shortest run of a notebook that a start or a renewal can ask for, from now: 1 h."""

MAX_RUN_SECONDS = 259_200
"""Longest such run, 72 h; some clouds allow less."""

TAG_KEY_MAX_LENGTH, TAG_VALUE_MAX_LENGTH = 128, 255

_NAME_CHARACTER = re.compile("[A-Za-z0-9_-]")
_TAG_MARKS = "_.:=+-@ "
_ALLOWED_CONTROLS = "\n\r\t"


def description_problems(text: str) -> list[ProblemText]:
    """Return why ModelArts would refuse a description; empty if it would not."""
    problems = []
    if len(text) > DESCRIPTION_MAX_LENGTH:
        limits = {"length": len(text), "most": DESCRIPTION_MAX_LENGTH}
        problems.append(ProblemText(Problem.DESCRIPTION_TOO_LONG, limits))
    forbidden = [mark for mark in DESCRIPTION_FORBIDDEN if mark in text]
    if forbidden:
        marks = {"marks": " ".join(forbidden)}
        problems.append(ProblemText(Problem.DESCRIPTION_FORBIDDEN, marks))
    invisible = sorted(
        mark
        for mark in set(text) - set(_ALLOWED_CONTROLS)
        if unicodedata.category(mark) in {"Cc", "Cs"}
    )
    if invisible:
        names = ", ".join(f"U+{ord(mark):04X}" for mark in invisible[:5])
        more = ", …" if len(invisible) > 5 else ""
        problems.append(
            ProblemText(Problem.DESCRIPTION_INVISIBLE, {"names": names + more})
        )
    return problems


def name_problems(text: str) -> list[ProblemText]:
    """Return why ModelArts would refuse the name of a notebook."""
    if not text:
        return [ProblemText(Problem.NAME_EMPTY)]
    problems = []
    if len(text) > NAME_MAX_LENGTH:
        limits = {"length": len(text), "most": NAME_MAX_LENGTH}
        problems.append(ProblemText(Problem.NAME_TOO_LONG, limits))
    if not all(map(_NAME_CHARACTER.match, text)):
        problems.append(ProblemText(Problem.NAME_FORBIDDEN))
    return problems


def tag_problems(key: str, value: str) -> list[ProblemText]:
    """Return why ModelArts would refuse a tag of a notebook."""
    problems = []
    if not key or key != key.strip() or key.startswith("_sys_"):
        problems.append(ProblemText(Problem.TAG_KEY))
    for text, most, marks, characters in (
        (key, TAG_KEY_MAX_LENGTH, _TAG_MARKS, Problem.TAG_KEY_FORBIDDEN),
        (value, TAG_VALUE_MAX_LENGTH, _TAG_MARKS + "/", Problem.TAG_VALUE_FORBIDDEN),
    ):
        if len(text) > most:
            limits = {"length": len(text), "most": most}
            problems.append(ProblemText(Problem.TAG_TOO_LONG, limits))
        if not all(mark.isalnum() or mark in marks for mark in text):
            problems.append(ProblemText(characters, {"marks": " ".join(marks.strip())}))
    return problems
