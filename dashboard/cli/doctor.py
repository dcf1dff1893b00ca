"""Checks of what the other commands need: address, token, site."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from dashboard.version import VERSION

from . import config
from .client import Api, Json
from .errors import Code, CommandError, TokenRefusedError
from .output import print_

EXPIRES_SOON_DAYS = 7


class Finding(NamedTuple):
    """The result of one check.

    Attributes:
        code: ``DONE`` if all is well; else the exit code of the commands that fail.
    """

    name: str
    code: Code
    sentence: str


def doctor(options: argparse.Namespace) -> Code:
    findings = list(examine())
    document: list[Json] = [
        {
            "name": found.name,
            "healthy": found.code is Code.DONE,
            "sentence": found.sentence,
        }
        for found in findings
    ]
    lines = [
        f"{'✓' if found.code is Code.DONE else '✗'} {found.name}: {found.sentence}"
        for found in findings
    ]
    print_(options, document, lines)
    return next((found.code for found in findings if found.code), Code.DONE)


def examine() -> Iterator[Finding]:
    """Yield the result of each check, up to the first that fails."""
    try:
        settings = config.read()
    except CommandError as error:
        yield Finding("settings", error.code, str(error))
        return
    yield Finding("settings", Code.DONE, f"Address and token of {settings.url}.")
    try:
        with Api(settings) as api:
            me = api.get("/me") or {}
    except TokenRefusedError as error:
        yield Finding("site", Code.DONE, "It answers.")
        yield Finding("token", error.code, str(error))
    except CommandError as error:
        yield Finding("site", error.code, str(error))
    else:
        yield Finding("site", Code.DONE, _versions(me.get("version")))
        yield Finding("token", Code.DONE, _token(me))


def _versions(site: str | None) -> str:
    if site is None:
        return f"It answers. It is older than this command ({VERSION})."
    if site == VERSION:
        return f"It answers. Site and command are of version {VERSION}."
    return f"It answers. The site is of version {site}, this command of {VERSION}."


def _token(me: Json) -> str:
    token = me["token"]
    expires = datetime.fromisoformat(token["expires_at"]).astimezone()
    left = (expires - datetime.now(UTC)).days
    hint = " Create a new one on the page “API tokens”."
    return (
        f"Of {me['username']} ({me['role']}), for {', '.join(token['scopes'])}, "
        f"until {expires:%Y-%m-%d %H:%M %Z}."
        f"{hint if left < EXPIRES_SOON_DAYS else ''}"
    )
