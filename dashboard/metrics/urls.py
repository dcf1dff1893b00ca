from django.urls import path

from . import views

app_name = "metrics"
urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("healthz/seen", views.proxy_report_view, name="seen"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
]
