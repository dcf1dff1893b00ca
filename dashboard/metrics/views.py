"""Liveness and readiness: no sign-in, no cookies."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from . import readiness


@login_not_required
@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: this process answers. Touches neither database nor broker."""
    return HttpResponse("ok", content_type="text/plain; charset=utf-8")


@login_not_required
@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Readiness: can this site do its work now?

    Returns:
        JSON: ``ready``, ``reasons`` (sentences; empty when ready) and, for each cloud,
        ``mirror_age_seconds`` (null before its first refresh). 503 when not ready.
    """
    state = readiness.measure()
    return JsonResponse(
        {
            "ready": not state.reasons,
            "reasons": state.reasons,
            "mirror_age_seconds": state.mirror_age_seconds,
        },
        status=503 if state.reasons else 200,
    )
