"""``{% translate %}`` that looks up each fixed text once for each language."""

from typing import Any

from django import template
from django.template.base import Parser, Token
from django.templatetags.i18n import TranslateNode, do_translate
from django.utils.translation import get_language

register = template.Library()


@register.tag("translate")
def translate(parser: Parser, token: Token) -> template.Node:
    """Return Django's node, or one that keeps its results where they cannot differ.

    A page contains a hundred fixed texts; to look them up is a tenth of its CPU.
    """
    node: TranslateNode = do_translate(parser, token)
    expression = node.filter_expression
    is_fixed = not expression.filters and isinstance(expression.var.literal, str)
    if is_fixed and not node.asvar and not node.message_context:
        return FixedText(node)
    return node


class FixedText(template.Node):
    child_nodelists = ()

    def __init__(self, node: TranslateNode) -> None:
        self._node = node
        self._texts: dict[tuple[str | None, bool], Any] = {}

    def render(self, context: template.Context) -> Any:
        """Return the text in the language of this thread."""
        key = (get_language(), context.autoescape)
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = self._node.render(context)
        return text
