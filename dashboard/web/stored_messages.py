"""Messages that are stored as a code with parameters and translated when shown.

A message may have readers of several languages, so its sentence is made when it is
read. Each app defines its messages in a module ``messages``, such as ``TOO_LATE =
define("edits.too_late", _("Not sent. %(reason)s"))``.
``TOO_LATE(reason=edit.message)`` is then a ``Message`` for a ``MessageField``.

Messages that do not outlive their request use ``gettext``.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import override

type Template = str | Promise | Callable[..., str]
"""The English text, or a lazy translation of it (``ngettext_lazy`` for a plural).

A function makes the text from the stored values: a duration, a status.
"""

_templates: dict[str, Template] = {}


@dataclass(frozen=True)
class Message:
    """A stored message.

    Attributes:
        code: Such as ``edits.too_late``; empty for no message.
        params: Values for its template: text, numbers, other messages, or lists of
            these. Text is not translated.
    """

    code: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the translation; the code if the template or a value is missing."""
        template = _templates.get(self.code)
        if template is None:
            return self.code
        values = {name: self._render(value) for name, value in self.params.items()}
        try:
            if callable(template):
                return template(**self.params)
            return str(template % values)
        except (KeyError, TypeError):
            # An older release has stored the message without this value.
            return self.code

    def __bool__(self) -> bool:
        return bool(self.code)

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_json(), sort_keys=True))

    @property
    def in_english(self) -> str:
        with override("en"):
            return str(self)

    def to_json(self) -> dict[str, Any]:
        if not self.code:
            return {}
        values = {name: _to_json(value) for name, value in self.params.items()}
        return {"code": self.code, "params": values}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Message":
        params = stored.get("params", {})
        values = {name: _from_json(value) for name, value in params.items()}
        return cls(stored.get("code", ""), values)

    def _render(self, value: Any) -> Any:
        if isinstance(value, list):
            separator = " " if self.code == _SENTENCES else ", "
            return separator.join(str(item) for item in value)
        return str(value) if isinstance(value, Message) else value


class MessageCode(NamedTuple):
    """A defined message; called with its values it makes a ``Message``."""

    code: str

    def __call__(self, **params: Any) -> Message:
        return Message(self.code, params)


def define(code: str, template: Template) -> MessageCode:
    """Define a message; once for each code, when its module is imported.

    Args:
        code: Name of the app, a dot, and a name within it. It is stored: changing it
            takes a migration.
        template: Has ``%(name)s`` for each value, or is a function with a parameter for
            each.

    Raises:
        ValueError: The code is taken.
    """
    if code in _templates:
        raise ValueError(f"The message {code} is defined twice.")
    _templates[code] = template
    return MessageCode(code)


_VERBATIM = define("verbatim", "%(text)s")
_SENTENCES = define("sentences", "%(parts)s").code


def verbatim(text: str) -> Message:
    """Wrap text that is no message of ours, such as a person's or the cloud's words."""
    return _VERBATIM(text=text) if text else Message()


def sentences(*messages: Message) -> Message:
    """Join the messages that are not empty; each is a sentence."""
    parts = [message for message in messages if message]
    if len(parts) > 1:
        return Message(_SENTENCES, {"parts": parts})
    return parts[0] if parts else Message()


class MessageField(models.JSONField):
    """A field for a ``Message``; never NULL, empty without a message."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", Message)
        kwargs.setdefault("blank", True)
        super().__init__(*args, **kwargs)

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(
            value.to_json() if isinstance(value, Message) else value
        )

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Message:
        stored = super().from_db_value(value, expression, connection)
        return Message.from_json(stored or {})

    def to_python(self, value: Any) -> Any:
        return Message.from_json(value) if isinstance(value, dict) else value

    def value_to_string(self, obj: models.Model) -> Any:
        return self.value_from_object(obj).to_json()


def _to_json(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return Message.from_json(value)
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    return value
