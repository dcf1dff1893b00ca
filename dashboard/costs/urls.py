"""URLs of costs, savings, prices and budgets. Source: ``docs/contract.md``, "URLs"."""

from django.urls import path

from .views import budgets, export, price_fetch, price_import, prices, report

app_name = "costs"
urlpatterns = [
    path("", report.report, name="report"),
    path("export.csv", export.report_csv, name="report_csv"),
    path("export.json", export.report_json, name="report_json"),
    path("runs/", report.run_list, name="runs"),
    path("runs/export.csv", export.runs_csv, name="runs_csv"),
    path("runs/export.json", export.runs_json, name="runs_json"),
    path("savings/", report.savings_page, name="savings"),
    path("budgets/", budgets.budget_list, name="budgets"),
    path("budgets/new/", budgets.new_budget, name="new_budget"),
    path("budgets/<int:budget_pk>/", budgets.budget, name="budget"),
    path("budgets/<int:budget_pk>/edit/", budgets.edit_budget, name="edit_budget"),
    path(
        "budgets/<int:budget_pk>/remove/", budgets.remove_budget, name="remove_budget"
    ),
    path("prices/", prices.price_list, name="prices"),
    path("prices/new/", prices.new_price, name="new_price"),
    path("prices/export.csv", prices.as_csv, name="prices_csv"),
    path("prices/import/", price_import.import_prices, name="import_prices"),
    path("prices/fetch/", price_fetch.fetch, name="fetch_prices"),
    path("prices/fetch/<int:proposal_pk>/", price_fetch.proposal, name="proposal"),
    path(
        "prices/fetch/<int:proposal_pk>/progress",
        price_fetch.progress,
        name="fetch_progress",
    ),
    path("prices/<int:price_pk>/", prices.price, name="price"),
    path("prices/<int:price_pk>/remove/", prices.remove, name="remove_price"),
]
