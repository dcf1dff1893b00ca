"""A fleet whose texts are attacks by someone who may name a notebook.

Every text that a person can set or that the cloud passes on contains a payload. On a
page that does not escape it, the payload calls ``pwned()``, requests ``/pwned``,
creates an element of class ``pwned`` or breaks the page.
"""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from .instance import Failure, Instance
from .notebooks import Notebook

_CALL = "window.pwned&&pwned()"

PAYLOADS = (
    f"<script>{_CALL}</script>",
    f"</title><script>{_CALL}</script>",
    f"</textarea><script>{_CALL}</script>",
    f'"><img class=pwned src=x onerror="{_CALL}">',
    f"' onmouseover='{_CALL}' autofocus onfocus='{_CALL}' x='",
    f'" onfocus="{_CALL}" autofocus="',
    f'<svg class=pwned onload="{_CALL}">',
    f"<iframe class=pwned srcdoc='<script>parent.{_CALL}</script>'></iframe>",
    "<meta http-equiv=refresh content='0;url=/pwned'>",
    "<base href=//evil.invalid/>",
    "<form class=pwned action=/pwned><button>Click</button></form>",
    "<style>*{background:url(/pwned)}</style>",
    "<link rel=stylesheet href=/pwned>",
    '<b class=pwned hx-post="/pwned" hx-trigger="load">x</b>',
    '<div class=pwned hx-get="/pwned" hx-trigger="every 1s"></div>',
    '" hx-post="/pwned" hx-trigger="load" x="',
    '<div class=pwned hx-on::load="pwned()" data-hx-get="/pwned"></div>',
    "<tr class=pwned id=rows hx-swap-oob=true><td>gone</td></tr>",
    '<template class=pwned><script src="/pwned"></script></template>',
    f"javascript:{_CALL}",
    f"${{{_CALL}}} {{{{7*7}}}} {{% debug %}}",
    "&lt;script&gt;pwned()&lt;/script&gt;",
    '=HYPERLINK("http://evil.invalid","click")',
    "\N{RIGHT-TO-LEFT OVERRIDE}gpj.tobeton\N{POP DIRECTIONAL FORMATTING}",
    "\N{RIGHT-TO-LEFT ISOLATE}\N{RIGHT-TO-LEFT OVERRIDE}never closed",
    "zero\N{ZERO WIDTH SPACE}width\N{ZERO WIDTH JOINER}\N{WORD JOINER}",
    "z\N{COMBINING GRAVE ACCENT}" + "\N{COMBINING TILDE}" * 200,
    "nul\0byte \x1b[31mred\x1b[0m \x07",
    "line\r\nSet-Cookie: pwned=1\u2028\u2029",
    "\N{PILE OF POO}" * 200,
    "' OR 1=1; DROP TABLE instances_instance; --",
    "../../../../etc/passwd",
    "long-" * 20_000,
)
"""Instance n gets payload n, modulo their number; the last one has 100 kB."""

_URLS = (
    "javascript:pwned()",
    " JaVaScRiPt:pwned()",
    "java\tscript:pwned()",
    "data:text/html,<script>parent.pwned()</script>",
    'https://evil.invalid/"><script>pwned()</script>',
    "//evil.invalid/pwned",
    "https://notebook-modelarts.eu-de.example.com@evil.invalid/",
    "vbscript:pwned()",
)


_ODD_IDS = (
    "a/b-%d",
    "..%d/",
    "line\nbreak-%d",
    "lone\ud800-%d",
    " blank-%d",
    "%d-" + "9" * 5_000,
    "<script>%d</script>",
)
"""Ids that are invalid in paths, columns or logs; every seventh instance has one."""


def spoil(instances: Iterable[Instance], *, first: int = 0) -> None:
    """Put payloads into all texts of the instances, and odd ids into some documents.

    Args:
        first: Number of the first instance.
    """
    for number, instance in enumerate(instances, first):
        text = _texts(number)
        instance.name, instance.description = _payload(number), _payload(number + 1)
        if instance.failure is not None:
            instance.failure = Failure(text(), text(), ((text(), text()),))
        instance.overrides = _overrides(text, _URLS[number % len(_URLS)])
        _spoil_id(instance, number)


def spoil_notebooks(notebooks: Iterable[Notebook], *, first: int = 0) -> None:
    """Put payloads into all texts of the notebooks, and odd ids into some documents.

    The leases of a third have an unknown type, a fifth have an unknown status.

    Args:
        first: Number of the first notebook, so that a mixed fleet has all payloads.
    """
    for number, notebook in enumerate(notebooks, first):
        text = _texts(number)
        notebook.name, notebook.description = _payload(number), _payload(number + 1)
        notebook.tags = {text(): text(), text(): ""}
        notebook.overrides = _notebook_overrides(text, _URLS[number % len(_URLS)])
        if number % 3 == 0:
            notebook.overrides["lease"] = {"type": text()}
        if number % 5 == 0:
            notebook.overrides["status"] = text()
        _spoil_id(notebook, number)


def _payload(number: int) -> str:
    return PAYLOADS[number % len(PAYLOADS)]


def _texts(number: int) -> Callable[[], str]:
    """Return a function that returns another payload each time, at most 2,000 long.

    So a small fleet has many payloads in each place.
    """
    numbers = count(number + 2)
    return lambda: _payload(next(numbers))[:2_000]


def _spoil_id(instance: Instance | Notebook, number: int) -> None:
    if number % len(_ODD_IDS) == len(_ODD_IDS) - 1:
        odd = _ODD_IDS[number // len(_ODD_IDS) % len(_ODD_IDS)] % number
        instance.overrides["id"] = odd
    elif number % len(_ODD_IDS) == 0:
        instance.id = f"x?y#z {number}"


def _overrides(text: Callable[[], str], url: str) -> dict[str, Any]:
    return {
        "user": {"name": text()},
        "flavor": text(),
        "flavor_details": {"name": text(), "params": {text(): text()}},
        "profile": {"name": text(), "description": text()},
        "workspace": {"id": text()},
        "error_code": text(),
        "ai_project": {"id": text()},
        "spec": {
            "annotations": {"url": url, "target_domain": url, text(): text()},
            "storage": {"location": {"path": text()}, "type": text()},
        },
        "repository": {
            "id": text(),
            "branch": text(),
            "user_name": text(),
            "connection_info": {"protocol": text(), "url": url},
        },
    }


def _notebook_overrides(text: Callable[[], str], url: str) -> dict[str, Any]:
    volume = ("category", "ownership", "mount_path", "mount_type", "status")
    image = ("id", "name", "show_name", "description", "type", "tag", "show_tag")
    return {
        "user": {"name": text(), "domain": {"name": text()}},
        "flavor": text(),
        "custom_spec": {
            name: text() for name in ("gpu_type", "arch", "category", "resource_flavor")
        },
        "workspace_id": text(),
        "feature": text(),
        "fail_reason": text(),
        "image": {name: text() for name in (*image, "arch", "swr_path", "status")},
        "volume": {name: text() for name in volume},
        "data_volumes": [{name: text() for name in volume} | {"url": url}],
        "action_progress": [
            {"step": step, "status": status, "description": text()}
            for step, status in ((1, "COMPLETED"), (2, "FAILED"), (9, "FAILED"))
        ]
        + [{"step": text(), "status": text(), "step_description": text()}],
        "pool": {"id": text(), "name": text()},
        "url": url,
        "endpoints": [
            {"service": text(), "uri": url, "key_pair_names": [text(), text()]},
            {"service": "SSH", "dev_service": text(), "uri": url},
        ],
        "billing_items": [text(), text()],
        "jupyter_version": text(),
    }
