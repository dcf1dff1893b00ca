"""URLs of rules, violations and exceptions. Source: ``docs/contract.md``, "URLs"."""

from django.urls import path

from . import exceptions, views

app_name = "policies"
urlpatterns = [
    path("", views.rule_list, name="rules"),
    path("new/", views.new_rule, name="new"),
    path("<int:rule_pk>/", views.rule, name="rule"),
    path("<int:rule_pk>/delete/", views.delete, name="delete"),
    path("compliance/", views.compliance, name="compliance"),
    path("exceptions/", exceptions.exception_list, name="exceptions"),
    path("<int:rule_pk>/exceptions/<int:instance_pk>/", exceptions.ask, name="ask"),
    path("exceptions/<int:exception_pk>/decide/", exceptions.decide, name="decide"),
    path("exceptions/<int:exception_pk>/end/", exceptions.end, name="end"),
]
