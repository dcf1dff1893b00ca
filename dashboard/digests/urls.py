"""URLs of the weekly digest, below those of costs."""

from django.urls import path

from .views import off, preview

app_name = "digests"
urlpatterns = [
    path("", preview.preview, name="preview"),
    path("off/<str:off_token>/", off.turn_off, name="off"),
]
