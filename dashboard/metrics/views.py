"""Liveness, readiness and metrics: no sign-in, no cookies."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from . import access, proxy_report, readiness
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
def proxy_report_view(request: HttpRequest) -> JsonResponse:
    """Return how this request arrived, to ``manage.py doctor`` only."""
    if not proxy_report.is_signed(request):
        raise Http404
    return JsonResponse(proxy_report.describe(request))


@login_not_required
@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Return whether the site works.

    Returns:
        JSON with ``ready`` and, for clients that may read the metrics, ``reasons``
            (sentences; empty when ready), ``notices`` (sentences for operators) and
            ``mirror_age_seconds`` of each configured cloud (null before its first
            refresh). 503 if not ready.
    """
    is_trusted = access.may_read(request)
    # Other clients cause at most one check a second.
    state = readiness.measure() if is_trusted else readiness.recent()
    report: dict[str, object] = {"ready": not state.reasons}
    if is_trusted:
        notices = [*state.notices, *state.in_progress, *state.limits]
        report["reasons"] = [reason.in_english for reason in state.reasons]
        report["notices"] = [notice.in_english for notice in notices]
        report["mirror_age_seconds"] = state.mirror_age_seconds
    return JsonResponse(report, status=503 if state.reasons else 200)


@login_not_required
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics in Prometheus' text format.

    Returns:
        200; 401 without the configured token, 403 if none is configured.
    """
    if not access.may_read(request):
        needs_token = settings.CURFEW.metrics_token.get_secret_value()
        return HttpResponse(
            "Metrics are for machines of this site; see docs/operations.md.",
            status=401 if needs_token else 403,
            content_type="text/plain; charset=utf-8",
            headers={"WWW-Authenticate": "Bearer"} if needs_token else None,
        )
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_REGISTRY), content_type=content_type)
