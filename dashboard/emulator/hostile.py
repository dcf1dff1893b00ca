"""A fleet whose texts are attacks by someone who may name a notebook.

Every text that a person can set or the cloud passes on contains a payload. Where a page
does not escape one, it runs a script, sends a request or breaks, and leaves a mark: it
calls ``pwned()``, requests ``/pwned`` or creates an element of class ``pwned``.
"""

from collections.abc import Iterable
from typing import Any

from .instance import Failure, Instance

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
"""Ids that fit no path, column or log; every seventh instance gets one."""


def spoil(instances: Iterable[Instance]) -> None:
    """Put payloads into all texts of the instances, and odd ids into some; once.

    An odd id is only in documents; no request can use it.
    """
    for number, instance in enumerate(instances):
        payload = PAYLOADS[number % len(PAYLOADS)]
        instance.name = instance.description = payload
        if instance.failure is not None:
            instance.failure = Failure(payload, payload, ((payload, payload),))
        instance.overrides = _overrides(payload, _URLS[number % len(_URLS)])
        if number % len(_ODD_IDS) == len(_ODD_IDS) - 1:
            odd = _ODD_IDS[number // len(_ODD_IDS) % len(_ODD_IDS)] % number
            instance.overrides["id"] = odd
        elif number % len(_ODD_IDS) == 0:
            instance.id = f"x?y#z {number}"


def _overrides(payload: str, url: str) -> dict[str, Any]:
    short = payload[:2_000]
    return {
        "user": {"name": short},
        "flavor": short,
        "flavor_details": {"name": short, "params": {short: short}},
        "profile": {"name": short, "description": short},
        "workspace": {"id": short},
        "error_code": short,
        "ai_project": {"id": short},
        "spec": {
            "annotations": {"url": url, "target_domain": url, short: short},
            "storage": {"location": {"path": short}, "type": short},
        },
        "repository": {
            "id": short,
            "branch": short,
            "user_name": short,
            "connection_info": {"protocol": short, "url": url},
        },
    }
