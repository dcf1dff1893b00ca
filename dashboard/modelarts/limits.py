"""What the update call accepts; the one source of these limits.

Source: "Modifying the Description of a Development Environment Instance", tables 2
and 4; errors ModelArts.6334 and ModelArts.6349.
"""

import unicodedata

from .words import gettext_noop

DESCRIPTION_MAX_LENGTH = 512
"""Code points: the document says "characters" and leaves the unit open."""

DESCRIPTION_FORBIDDEN = "&<>\"'/"
"""Characters a description may not hold."""

AUTO_STOP_MIN_SECONDS = 3_600
"""Shortest run time, 1 h."""

AUTO_STOP_MAX_SECONDS = 86_400
"""Longest run time, 24 h."""

_ALLOWED_CONTROLS = "\n\r\t"


def description_problems(text: str) -> list[str]:
    """What ModelArts would refuse in a description.

    Args:
        text: The description as it would be sent.

    Returns:
        Plain sentences, empty when the text is fine. They name the offending
        characters.
    """
    problems = []
    if len(text) > DESCRIPTION_MAX_LENGTH:
        problems.append(
            gettext_noop(
                "The description has %(length)s characters; at most %(most)s are "
                "allowed."
            )
            % {"length": len(text), "most": DESCRIPTION_MAX_LENGTH}
        )
    forbidden = [mark for mark in DESCRIPTION_FORBIDDEN if mark in text]
    if forbidden:
        problems.append(
            gettext_noop("ModelArts does not allow %(marks)s in a description.")
            % {"marks": " ".join(forbidden)}
        )
    invisible = sorted({mark for mark in text if _is_unprintable(mark)})
    if invisible:
        names = ", ".join(f"U+{ord(mark):04X}" for mark in invisible[:5])
        more = ", …" if len(invisible) > 5 else ""
        problems.append(
            gettext_noop(
                "The description holds invisible control characters (%(names)s); "
                "please remove them."
            )
            % {"names": names + more}
        )
    return problems


def _is_unprintable(mark: str) -> bool:
    if mark in _ALLOWED_CONTROLS:
        return False
    return unicodedata.category(mark) in {"Cc", "Cs"}
