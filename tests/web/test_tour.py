"""No page is left out of the tour that the accessibility tests take."""

from tests.browser.places import PLACES
from tests.security.routes import RULES, is_own_account, routes

NO_PAGES = frozenset(
    {
        *("instances:changes", "instances:home_changes", "instances:detail_changes"),
        *(
            "instances:countdown",
            "edits:progress",
            "edits:batch_progress",
            "edits:banner",
            "edits:list_changes",
        ),
        *("instances:menu", "reminders:newest"),
        *("handover:due_changes", "saved:csv", "saved:json", "audit:export"),
        *("costs:prices_csv", "costs:fetch_progress"),
        *("costs:report_csv", "costs:report_json"),
        *("costs:runs_csv", "costs:runs_json"),
        *("metrics:healthz", "metrics:readyz", "metrics:metrics"),
        *("metrics:seen", "system:changes"),
        *("setup:clouds_changes", "setup:test_changes", "setup:ready_changes"),
        # Only on a site without an admin or a cloud: tests/setup looks at them.
        *("setup:account", "setup:clouds", "setup:new", "setup:test", "setup:ready"),
        # Only with an identity provider.
        *("people:sso", "people:sso_test"),
        *("handover:markdown", "handover:wall_changes"),
        "api_document",
        "javascript_catalog",
    }
)
"""What a GET answers with a fragment, a file or words for machines."""


def test_every_page_is_looked_at() -> None:
    pages = {
        name
        for name, rule in RULES.items()
        if name not in NO_PAGES and rule.get["admin"] != 405
    }
    toured = {place.route for place in PLACES.values()}
    missing = sorted(pages - toured)
    assert not missing, f"Add to tests/browser/places.py, or to NO_PAGES: {missing}"


def test_what_is_toured_and_left_out_is_there() -> None:
    known = {name for name, _ in routes()}
    ours = {name for name in known if not is_own_account(name)}
    assert known >= ours >= NO_PAGES
    errors = {"401", "403", "404"}
    assert {place.route for place in PLACES.values()} <= known | errors
