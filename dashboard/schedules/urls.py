"""URLs of schedules and their holidays. Source: ``docs/contract.md``, "URLs"."""

from django.urls import path

from .views import holidays, schedules

app_name = "schedules"
urlpatterns = [
    path("", schedules.schedule_list, name="list"),
    path("new/", schedules.new_schedule, name="new"),
    path("<int:schedule_pk>/", schedules.schedule, name="schedule"),
    path("<int:schedule_pk>/edit/", schedules.edit, name="edit"),
    path("<int:schedule_pk>/switch/", schedules.switch, name="switch"),
    path("<int:schedule_pk>/move/", schedules.move, name="move"),
    path("<int:schedule_pk>/delete/", schedules.delete, name="delete"),
    path("holidays/", holidays.calendar_list, name="calendars"),
    path("holidays/<int:calendar_pk>/", holidays.calendar, name="calendar"),
    path("holidays/<int:calendar_pk>/file/", holidays.read_file, name="holiday_file"),
    path(
        "holidays/<int:calendar_pk>/days/delete/",
        holidays.delete_days,
        name="delete_days",
    ),
    path("holidays/<int:calendar_pk>/rename/", holidays.rename, name="rename_calendar"),
    path("holidays/<int:calendar_pk>/delete/", holidays.delete, name="delete_calendar"),
]
