"""``{% url %}`` and ``{% static %}`` that look up each fixed address once.

A page contains forty of them; to look them up is a tenth of its CPU. Templates do not
load Django's library, whose tag would take the place of this one.
"""

from functools import lru_cache

from django import template
from django.conf import settings
from django.template import defaulttags
from django.template.base import Parser, Token
from django.templatetags.static import StaticNode
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.html import conditional_escape

register = template.Library()


@register.tag("url")
def url(parser: Parser, token: Token) -> template.Node:
    """Return Django's node, or one that keeps addresses without arguments."""
    node = defaulttags.url(parser, token)
    return node if node.args or node.kwargs else FixedAddress(node)


class FixedAddress(template.Node):
    child_nodelists = ()

    def __init__(self, node: defaulttags.URLNode) -> None:
        self._node = node

    def render(self, context: template.Context) -> str:
        """Return the address, or store it in the context."""
        name = self._node.view_name.resolve(context)
        try:
            address = _reverse(name, get_script_prefix(), settings.ROOT_URLCONF)
        except NoReverseMatch:
            return self._node.render(context)  # knows whether that is an error
        if self._node.asvar:
            context[self._node.asvar] = address
            return ""
        return conditional_escape(address) if context.autoescape else address


@lru_cache(maxsize=512)
def _reverse(name: str, prefix: str, urlconf: str) -> str:
    """Reverse a name; the other arguments only decide the result.

    No namespace of ours is included twice, so the current one does not matter.
    """
    return reverse(name)


@register.tag("static")
def static(parser: Parser, token: Token) -> template.Node:
    """Return Django's node, or one that keeps the address of a fixed file."""
    node = StaticNode.handle_token(parser, token)
    is_fixed = not node.path.filters and isinstance(node.path.var, str)
    return FixedFile(node) if is_fixed and not node.varname else node


class FixedFile(template.Node):
    child_nodelists = ()

    def __init__(self, node: StaticNode) -> None:
        self._node = node
        self._addresses: dict[tuple[str, bool], str] = {}

    def render(self, context: template.Context) -> str:
        key = (settings.STATIC_URL, context.autoescape)
        address = self._addresses.get(key)
        if address is None:
            address = self._addresses[key] = self._node.render(context)
        return address
