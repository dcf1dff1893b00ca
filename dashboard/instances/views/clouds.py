from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.accounts.http import SignedInRequest
from dashboard.instances import selectors
from dashboard.instances.capabilities import capabilities_of
from dashboard.instances.cloud_overviews import cloud_overviews
from dashboard.modelarts.generations import Generation


@require_safe
def clouds(request: SignedInRequest) -> HttpResponse:
    """Show which generations of the API each cloud serves, and what it holds."""
    context = {
        "overviews": cloud_overviews(request.user),
        "generations": [capabilities_of(generation) for generation in Generation],
        "freshness": selectors.freshness(timezone.now()),
    }
    return render(request, "instances/clouds.html", context)
