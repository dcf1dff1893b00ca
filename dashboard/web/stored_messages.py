"""Messages that are stored as a code with parameters and put into words when shown.

Workers and forms do not know who will read what they write. So they store which message
it is and its values; the reader's request makes the sentence, in the reader's language.

Each app defines its messages in a module ``messages``::

    TOO_LATE = define("edits.too_late", gettext_lazy("Not sent in time. %(reason)s"))

    edit.message = TOO_LATE(reason=edit.message)  # a Message, for a MessageField
    str(edit.message)  # in the active language

Messages that do not outlive their request need none of this: they use ``gettext``.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import override

type Template = str | Promise | Callable[..., str]
"""The English text, or a lazy translation of it (``ngettext_lazy`` for a plural).

A function makes the text of the values as they are stored: a length of time, a status.
"""

_templates: dict[str, Template] = {}


class Message:
    """A message as it is stored.

    Args:
        code: Which one, such as ``edits.too_late``; empty for no message.
        params: Values for its template: text, numbers, other messages, or lists of
            these. Text is shown as it is, whatever the language.
    """

    __slots__ = ("code", "params")

    def __init__(self, code: str = "", params: Mapping[str, Any] | None = None) -> None:
        self.code = code
        self.params = dict(params or {})

    def __str__(self) -> str:
        """In the active language; the code itself where no app defines it."""
        template = _templates.get(self.code)
        if template is None:
            return self.code
        if callable(template):
            return template(**self.params)
        values = {name: self._shown(value) for name, value in self.params.items()}
        return str(template % values)

    def __repr__(self) -> str:
        return f"Message({self.code!r}, {self.params!r})"

    def __bool__(self) -> bool:
        return bool(self.code)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_json(), sort_keys=True))

    @property
    def in_english(self) -> str:
        """For files and records that are the same for everybody."""
        with override("en"):
            return str(self)

    def to_json(self) -> dict[str, Any]:
        """As it is stored; empty for no message."""
        if not self.code:
            return {}
        values = {name: _to_json(value) for name, value in self.params.items()}
        return {"code": self.code, "params": values}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Message":
        """Read what ``to_json`` has made."""
        params = stored.get("params", {})
        values = {name: _from_json(value) for name, value in params.items()}
        return cls(stored.get("code", ""), values)

    def _shown(self, value: Any) -> Any:
        if isinstance(value, list):
            separator = " " if self.code == _SENTENCES else ", "
            return separator.join(str(one) for one in value)
        return str(value) if isinstance(value, Message) else value


class MessageCode(NamedTuple):
    """A defined message; called with its values it makes a ``Message``."""

    code: str

    def __call__(self, **params: Any) -> Message:
        """The message with these values."""
        return Message(self.code, params)


def define(code: str, template: Template) -> MessageCode:
    """Define a message; once for each code, when its module is imported.

    Args:
        code: Name of the app, a dot, and a name within it. It is stored: changing it
            takes a migration.
        template: With ``%(name)s`` for each value; of a function, a parameter for each.

    Raises:
        ValueError: The code is taken.
    """
    if code in _templates:
        raise ValueError(f"The message {code} is defined twice.")
    _templates[code] = template
    return MessageCode(code)


def defined() -> dict[str, Template]:
    """All messages of the apps that have been imported, by their codes."""
    return dict(_templates)


_VERBATIM = define("verbatim", "%(text)s")
_SENTENCES = define("sentences", "%(parts)s").code


def verbatim(text: str) -> Message:
    """Text that is no message of ours, such as a person's or the cloud's own words."""
    return _VERBATIM(text=text) if text else Message()


def sentences(*messages: Message) -> Message:
    """Several messages as one, each a sentence; those that are empty are left out."""
    parts = [message for message in messages if message]
    if len(parts) > 1:
        return Message(_SENTENCES, {"parts": parts})
    return parts[0] if parts else Message()


class MessageField(models.JSONField):
    """Stores a ``Message``; never NULL, without a message it is empty."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", Message)
        kwargs.setdefault("blank", True)
        super().__init__(*args, **kwargs)

    def get_prep_value(self, value: Any) -> Any:
        """What JSON holds."""
        return super().get_prep_value(
            value.to_json() if isinstance(value, Message) else value
        )

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Message:
        """The message of a row."""
        stored = super().from_db_value(value, expression, connection)
        return Message.from_json(stored or {})


def _to_json(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, list):
        return [_to_json(one) for one in value]
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return Message.from_json(value)
    if isinstance(value, list):
        return [_from_json(one) for one in value]
    return value
