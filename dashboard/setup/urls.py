"""Only where Curfew may write its own configuration (``CURFEW_DATA_DIR``)."""

from django.urls import path

from .views import account, clouds, new_cloud, ready

app_name = "setup"
urlpatterns = [
    path("clouds/", clouds.clouds, name="clouds"),
    path("clouds/changes/", clouds.clouds_changes, name="clouds_changes"),
    path("clouds/new/", new_cloud.new, name="new"),
    path("clouds/test/", new_cloud.test, name="test"),
    path("clouds/test/changes/", new_cloud.test_changes, name="test_changes"),
    path("ready/", ready.ready, name="ready"),
    path("ready/changes/", ready.ready_changes, name="ready_changes"),
    path("<str:setup_token>/", account.account, name="account"),
]
