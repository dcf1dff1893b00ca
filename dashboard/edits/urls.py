from django.urls import URLPattern

app_name = "edits"
urlpatterns: list[URLPattern] = []
