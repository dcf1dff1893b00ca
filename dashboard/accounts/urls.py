"""Addresses of people. Source: ``docs/contract.md``, "URLs"."""

from django.urls import path

from .views import people

app_name = "people"
urlpatterns = [
    path("", people.people, name="list"),
    path("add/", people.add, name="add"),
    path("<int:user_id>/", people.person, name="person"),
    path("<int:user_id>/role/", people.role, name="role"),
    path("<int:user_id>/email/", people.email, name="email"),
    path("<int:user_id>/cloud-users/", people.cloud_users, name="cloud_users"),
    path("<int:user_id>/active/", people.active, name="active"),
    path("<int:user_id>/password/", people.password, name="password"),
    path("<int:user_id>/second-factor/", people.second_factor, name="second_factor"),
    path("<int:user_id>/sessions/", people.sessions, name="sessions"),
]
