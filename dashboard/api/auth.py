"""Whether a request may come in at all: token, pace and scope."""

from django.conf import settings
from django.http import HttpRequest

from dashboard.web import limits
from dashboard.web.address import client_address

from . import services
from .models import ApiToken
from .problems import ProblemError
from .selectors import lacks_only_a_second_factor

BAD_TOKENS_PER_MINUTE = 60
"""From one address. Nobody guesses 256 bits, but each try costs a query."""

TOKENS_AT_FULL_PACE = 4
"""So many times what one token may, all tokens of one person may together."""


def hold_pace(request: HttpRequest, token: ApiToken | None) -> None:
    """Count a request of a program, whatever address it is for.

    By the token and by its person; a write also with that person's forms.

    Raises:
        ProblemError: 429 beyond a limit.
    """
    if token is not None:
        most = settings.CURFEW.api_requests_per_minute
        counted = [
            (limits.key("api", f"token:{token.pk}"), most),
            (limits.key("api", f"by:{token.owner_id}"), TOKENS_AT_FULL_PACE * most),
        ]
        if request.method not in limits.READS:
            writes = settings.CURFEW.writes_per_minute
            counted.append((limits.key("writes", f"by:{token.owner_id}"), writes))
    elif "Authorization" in request.headers:
        address = client_address(request) or "unknown"
        key = limits.key("bad-tokens", f"at:{address}")
        counted = [(key, BAD_TOKENS_PER_MINUTE)]
    else:
        return
    if not limits.within(counted):
        seconds = str(limits.seconds_left())
        raise ProblemError("too-many-requests", headers={"Retry-After": seconds})


class TokenAuth:
    """Lets tokens through that have all of some scopes; what ninja calls ``auth``.

    Args:
        scopes: Of ``ApiToken.Scope``; none for any token.
    """

    def __init__(self, *scopes: str) -> None:
        self.scopes = scopes

    def __call__(self, request: HttpRequest) -> ApiToken:
        """The token.

        Raises:
            ProblemError: 401 without a token that opens something, 403 without a scope.
        """
        token: ApiToken | None = request.api_token  # type: ignore[attr-defined]
        if token is None:
            raise _unauthorized(request)
        services.note_use(token=token, address=client_address(request))
        for scope in self.scopes:
            if scope not in token.scopes:
                challenge = _challenge(', error="insufficient_scope"')
                raise ProblemError(
                    "insufficient-scope",
                    f"Token “{token.name}” lacks the scope “{scope}”.",
                    headers={"WWW-Authenticate": challenge},
                )
        return token


READ, WRITE = TokenAuth(ApiToken.Scope.READ), TokenAuth(ApiToken.Scope.WRITE)
PREVIEW = TokenAuth(ApiToken.Scope.WRITE, ApiToken.Scope.READ)
"""A preview tells names and settings of instances that nobody has named."""

AUDIT, ANY = TokenAuth(ApiToken.Scope.AUDIT), TokenAuth()


def _unauthorized(request: HttpRequest) -> ProblemError:
    sent = "Authorization" in request.headers
    headers = {
        "WWW-Authenticate": _challenge(', error="invalid_token"' if sent else "")
    }
    if lacks_only_a_second_factor(bearer(request)):
        return ProblemError(
            "unauthorized",
            "The owner of this token has to set up two-factor authentication first: "
            "sign in to Curfew and follow the steps there.",
            headers=headers,
        )
    return ProblemError("unauthorized", headers=headers)


def bearer(request: HttpRequest) -> str:
    """The text of the token that the request carries; empty without one."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _challenge(error: str) -> str:
    return f'Bearer realm="Curfew"{error}'
