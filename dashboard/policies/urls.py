"""URLs of rules, violations and exceptions. Source: ``docs/contract.md``, "URLs"."""

from django.urls import path

from .views import exceptions, rules

app_name = "policies"
urlpatterns = [
    path("", rules.rule_list, name="rules"),
    path("new/", rules.new_rule, name="new"),
    path("<int:rule_pk>/", rules.rule, name="rule"),
    path("<int:rule_pk>/move/", rules.move, name="move"),
    path("<int:rule_pk>/delete/", rules.delete, name="delete"),
    path("compliance/", rules.compliance, name="compliance"),
    path("exceptions/", exceptions.exception_list, name="exceptions"),
    path("<int:rule_pk>/exceptions/<int:instance_pk>/", exceptions.ask, name="ask"),
    path("exceptions/<int:exception_pk>/decide/", exceptions.decide, name="decide"),
    path("exceptions/<int:exception_pk>/end/", exceptions.end, name="end"),
]
