"""Addresses of people. Source: ``docs/contract.md``, "URLs"."""

from django.urls import path

from . import views

app_name = "people"
urlpatterns = [
    path("", views.people, name="list"),
    path("add/", views.add, name="add"),
    path("<int:user_id>/", views.person, name="person"),
    path("<int:user_id>/role/", views.role, name="role"),
    path("<int:user_id>/email/", views.email, name="email"),
    path("<int:user_id>/cloud-users/", views.cloud_users, name="cloud_users"),
    path("<int:user_id>/active/", views.active, name="active"),
    path("<int:user_id>/password/", views.password, name="password"),
    path("<int:user_id>/second-factor/", views.second_factor, name="second_factor"),
    path("<int:user_id>/sessions/", views.sessions, name="sessions"),
]
