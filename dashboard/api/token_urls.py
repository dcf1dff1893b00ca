"""Addresses of the pages about tokens."""

from django.urls import path

from . import views

app_name = "tokens"
urlpatterns = [
    path("accounts/tokens/", views.mine, name="mine"),
    path("accounts/tokens/<int:token_id>/revoke/", views.revoke, name="revoke"),
    path("people/tokens/", views.everybodys, name="everybodys"),
]
