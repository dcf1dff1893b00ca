"""Liveness, readiness and metrics: no sign-in, no cookies."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from . import access, readiness, seen
from .collector import CurfewCollector

_REGISTRY = CollectorRegistry(auto_describe=False)
_REGISTRY.register(CurfewCollector())


@login_not_required
@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: this process answers. Touches neither database nor broker."""
    return HttpResponse("ok", content_type="text/plain; charset=utf-8")


@login_not_required
@require_safe
@never_cache
def how_seen(request: HttpRequest) -> JsonResponse:
    """How this request arrived; for ``manage.py doctor`` alone, else 404."""
    if not seen.is_signed(request):
        raise Http404
    return JsonResponse(seen.describe(request))


@login_not_required
@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Readiness: can this site do its work now?

    Returns:
        JSON: ``ready``, and for those who may read the metrics ``reasons`` (sentences;
        empty when ready), ``notices`` (what an operator should know all the same) and,
        for each cloud that is configured, ``mirror_age_seconds`` (null before its first
        refresh). 503 when not ready.
    """
    told_all = access.may_read(request)
    # Strangers make no more than one look in a second.
    state = readiness.measure() if told_all else readiness.recent()
    told: dict[str, object] = {"ready": not state.reasons}
    if told_all:
        told["reasons"] = state.reasons
        told["notices"] = [*state.notices, *state.under_way]
        told["mirror_age_seconds"] = state.mirror_age_seconds
    return JsonResponse(told, status=503 if state.reasons else 200)


@login_not_required
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Numbers for Prometheus, in the format it asks for.

    Returns:
        200; 401 where a token is set and not given; 403 for a stranger without one.
    """
    if not access.may_read(request):
        asks = settings.CURFEW.metrics_token.get_secret_value()
        return HttpResponse(
            "Metrics are for machines of this site; see docs/operations.md.",
            status=401 if asks else 403,
            content_type="text/plain; charset=utf-8",
            headers={"WWW-Authenticate": "Bearer"} if asks else None,
        )
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_REGISTRY), content_type=content_type)
