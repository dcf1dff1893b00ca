"""Authentication, rate limits and scopes of API requests."""

from django.conf import settings
from django.http import HttpRequest

from dashboard.web import limits
from dashboard.web.address import client_address

from . import services
from .models import ApiToken
from .problems import ProblemError
from .selectors import lacks_only_a_second_factor

BAD_TOKENS_PER_MINUTE = 60
"""Per address. No one can guess a token, but each attempt costs a query."""

OWNER_FACTOR = 4
"""All tokens of a person together have this many times the limit of one token."""


def check_rate_limits(request: HttpRequest, token: ApiToken | None) -> None:
    """Count an API request against the limits of the token and of its owner.

    A write also counts against the limit that the owner's forms share.

    Raises:
        ProblemError: 429 beyond a limit.
    """
    if token is not None:
        limit = settings.CURFEW.api_requests_per_minute
        limited = [
            (limits.key("api", f"token:{token.pk}"), limit),
            (limits.key("api", f"by:{token.owner_id}"), OWNER_FACTOR * limit),
        ]
        if request.method not in limits.READS:
            writes = settings.CURFEW.writes_per_minute
            limited.append((limits.key("writes", f"by:{token.owner_id}"), writes))
    elif "Authorization" in request.headers:
        address = client_address(request) or "unknown"
        key = limits.key("bad-tokens", f"at:{address}")
        limited = [(key, BAD_TOKENS_PER_MINUTE)]
    else:
        return
    if not limits.within(limited):
        seconds = str(limits.seconds_left())
        raise ProblemError("too-many-requests", headers={"Retry-After": seconds})


class TokenAuth:
    """Accept tokens that have all of ``scopes``; for ninja's ``auth``."""

    def __init__(self, *scopes: str) -> None:
        self.scopes = scopes

    def __call__(self, request: HttpRequest) -> ApiToken:
        """Return the token of the request.

        Raises:
            ProblemError: 401 without a valid token, 403 without a required scope.
        """
        token: ApiToken | None = request.api_token  # type: ignore[attr-defined]
        if token is None:
            raise _unauthorized(request)
        services.record_use(token=token, address=client_address(request))
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
"""A preview reveals instances that the request does not name, so it needs READ."""

AUDIT, ANY = TokenAuth(ApiToken.Scope.AUDIT), TokenAuth()


def _unauthorized(request: HttpRequest) -> ProblemError:
    has_header = "Authorization" in request.headers
    headers = {
        "WWW-Authenticate": _challenge(', error="invalid_token"' if has_header else "")
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
    """Return the bearer token of the request; empty without one."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _challenge(error: str) -> str:
    return f'Bearer realm="Curfew"{error}'
