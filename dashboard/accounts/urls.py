"""Source: ``docs/contract.md``, "URLs"."""

from django.urls import path

from .views import owners, people, people_import, sso_test, teams

app_name = "people"
urlpatterns = [
    path("", people.people, name="list"),
    path("add/", people.add, name="add"),
    path("import/", people_import.import_people, name="import"),
    path("owners/", owners.owners, name="owners"),
    path("teams/", teams.teams, name="teams"),
    path("teams/add/", teams.add, name="add_team"),
    path("teams/<int:team_id>/", teams.team, name="team"),
    path("teams/<int:team_id>/delete/", teams.delete, name="delete_team"),
    path("sso/", sso_test.page, name="sso"),
    path("sso/test/", sso_test.begin, name="sso_test"),
    path("<int:user_id>/", people.person, name="person"),
    path("<int:user_id>/role/", people.role, name="role"),
    path("<int:user_id>/email/", people.email, name="email"),
    path("<int:user_id>/cloud-users/", people.cloud_users, name="cloud_users"),
    path("<int:user_id>/invite/", people.invite, name="invite"),
    path("<int:user_id>/active/", people.active, name="active"),
    path("<int:user_id>/password/", people.password, name="password"),
    path("<int:user_id>/second-factor/", people.second_factor, name="second_factor"),
    path("<int:user_id>/sessions/", people.sessions, name="sessions"),
]
