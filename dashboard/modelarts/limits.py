"""What the update call accepts; the one source of these limits.

Source: "Modifying the Description of a Development Environment Instance", tables 2
and 4; errors ModelArts.6334 and ModelArts.6349.
"""

import unicodedata

from dashboard.modelarts import messages
from dashboard.modelarts.messages import Text

DESCRIPTION_MAX_LENGTH = 512
"""Code points: the document says "characters" and leaves the unit open."""

DESCRIPTION_FORBIDDEN = "&<>\"'/"
"""Characters a description may not hold."""

AUTO_STOP_MIN_SECONDS = 3_600
"""Shortest run time, 1 h."""

AUTO_STOP_MAX_SECONDS = 86_400
"""Longest run time, 24 h."""

_ALLOWED_CONTROLS = "\n\r\t"


def description_problems(text: str) -> list[Text]:
    """What ModelArts would refuse in a description.

    Args:
        text: The description as it would be sent.

    Returns:
        A message each, empty when the text is fine. They name the offending
        characters.
    """
    problems = []
    if len(text) > DESCRIPTION_MAX_LENGTH:
        limits = {"length": len(text), "most": DESCRIPTION_MAX_LENGTH}
        problems.append(Text(messages.DESCRIPTION_TOO_LONG, limits))
    forbidden = [mark for mark in DESCRIPTION_FORBIDDEN if mark in text]
    if forbidden:
        marks = {"marks": " ".join(forbidden)}
        problems.append(Text(messages.DESCRIPTION_FORBIDDEN, marks))
    invisible = sorted({mark for mark in text if _is_unprintable(mark)})
    if invisible:
        names = ", ".join(f"U+{ord(mark):04X}" for mark in invisible[:5])
        more = ", …" if len(invisible) > 5 else ""
        problems.append(Text(messages.DESCRIPTION_INVISIBLE, {"names": names + more}))
    return problems


def _is_unprintable(mark: str) -> bool:
    if mark in _ALLOWED_CONTROLS:
        return False
    return unicodedata.category(mark) in {"Cc", "Cs"}
