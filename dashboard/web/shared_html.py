"""HTML that is rendered once for all requests that show the same.

Only the CSRF token differs in each response. See
``docs/decisions/0035-shared-pages.md``.
"""

import secrets
from collections.abc import Hashable, Mapping
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import get_current_timezone_name
from django.utils.translation import get_language

from .process_cache import ProcessCache

_TOKEN = secrets.token_hex()
"""A placeholder for the CSRF token; random, so that no text can contain it."""


class SharedHtml:
    """A template that is rendered once for each key.

    Args:
        template: Shows nothing but its context; may contain ``{% csrf_token %}``.
        max_size: How many results are cached.
    """

    def __init__(self, template: str, *, max_size: int = 256) -> None:
        self._template = template
        self._cache = ProcessCache(max_size=max_size, seconds=600)

    def render(
        self, key: Hashable, context: Mapping[str, Any], *, csrf_token: object = ""
    ) -> SafeString:
        """Return the HTML for this response.

        Args:
            key: Identifies everything that the context contains. Language and time
                zone are added to it.
            context: For the template.
            csrf_token: The token of this response.
        """
        html: str = self._cache.get_or_compute(
            (key, get_language(), get_current_timezone_name()),
            lambda: render_to_string(self._template, {**context, "csrf_token": _TOKEN}),
        )
        if _TOKEN in html:
            html = html.replace(_TOKEN, str(csrf_token))
        return mark_safe(html)  # noqa: S308  (output of a template)
