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
    """Answer as long as this process works; needs neither database nor broker."""
    return HttpResponse("ok", content_type="text/plain; charset=utf-8")


@login_not_required
@require_safe
@never_cache
def how_seen(request: HttpRequest) -> JsonResponse:
    """Return how this request arrived; 404 except for ``manage.py doctor``."""
    if not seen.is_signed(request):
        raise Http404
    return JsonResponse(seen.describe(request))


@login_not_required
@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Return whether the site can do its work now.

    Returns:
        JSON: ``ready``, and for those who may read the metrics ``reasons`` (sentences;
            empty when ready), ``notices`` (sentences for operators) and for each
            configured cloud ``mirror_age_seconds`` (null before its first refresh). 503
            when not ready.
    """
    is_trusted = access.may_read(request)
    # Strangers cause at most one check a second.
    state = readiness.measure() if is_trusted else readiness.recent()
    report: dict[str, object] = {"ready": not state.reasons}
    if is_trusted:
        report["reasons"] = state.reasons
        report["notices"] = [*state.notices, *state.under_way]
        report["mirror_age_seconds"] = state.mirror_age_seconds
    return JsonResponse(report, status=503 if state.reasons else 200)


@login_not_required
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics in Prometheus' text format.

    Returns:
        200; 401 without the token that is set; 403 for a stranger if none is.
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
