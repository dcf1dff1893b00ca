"""Messages for the scripts in ``static``, as Django's JavaScript catalog.

A page loads the catalog of its language before its scripts. English has none: the
scripts contain the English messages and use them where ``gettext`` is missing.
"""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.cache import add_never_cache_headers, patch_cache_control
from django.utils.decorators import method_decorator
from django.views.i18n import JavaScriptCatalog

from .languages import is_spoken
from .release import release_mark

YEAR_SECONDS = 365 * 24 * 3600

URL_NAME = "javascript_catalog"


def catalog_url() -> str:
    """Return the URL of the catalog in the active language; empty in English."""
    language = translation.get_language() or settings.LANGUAGE_CODE
    if language == settings.LANGUAGE_CODE:
        return ""
    return reverse(URL_NAME, args=[language, release_mark()])


@method_decorator(login_not_required, name="dispatch")
class CatalogView(JavaScriptCatalog):
    def get(self, request: HttpRequest, language: str, release: str) -> HttpResponse:
        """Return the catalog; 404 for a language that the site does not have.

        Args:
            language: May differ from the reader's own.
            release: The release that drew the page. Browsers keep its catalog for a
                year; that of another release is not cached.
        """
        if not is_spoken(language):
            raise Http404
        with translation.override(language):
            response = super().get(request)
        if release == release_mark():
            patch_cache_control(
                response, public=True, max_age=YEAR_SECONDS, immutable=True
            )
        else:
            add_never_cache_headers(response)
        return response
