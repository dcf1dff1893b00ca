"""Whether a request may come in at all: token, pace and scope."""

from django.conf import settings
from django.http import HttpRequest

from dashboard.web import limits
from dashboard.web.address import client_address

from . import services
from .models import ApiToken
from .problems import ProblemError

BAD_TOKENS_PER_MINUTE = 60
"""From one address. Nobody guesses 256 bits, but each try costs a query."""


class Scoped:
    """Lets tokens of one scope through; what ninja calls ``auth``.

    Args:
        scope: Of ``ApiToken.Scope``; empty for any token.
    """

    def __init__(self, scope: str = "") -> None:
        self.scope = scope

    def __call__(self, request: HttpRequest) -> ApiToken:
        """The token.

        Raises:
            ProblemError: 401 without a token that opens something, 403 without the
                scope, 429 beyond the limit.
        """
        token: ApiToken | None = request.api_token  # type: ignore[attr-defined]
        if token is None:
            raise _unauthorized(request)
        _hold_pace(request, token)
        services.note_use(token=token, address=client_address(request))
        if self.scope and self.scope not in token.scopes:
            raise ProblemError(
                "insufficient-scope",
                f"The token “{token.name}” is not good for “{self.scope}”.",
                headers={"WWW-Authenticate": _challenge("insufficient_scope")},
            )
        return token


READ, WRITE = Scoped(ApiToken.Scope.READ), Scoped(ApiToken.Scope.WRITE)
AUDIT, ANY = Scoped(ApiToken.Scope.AUDIT), Scoped()


def _challenge(error: str) -> str:
    return f'Bearer realm="Curfew", error="{error}"'


def _unauthorized(request: HttpRequest) -> ProblemError:
    if "Authorization" not in request.headers:
        return ProblemError(
            "unauthorized", headers={"WWW-Authenticate": 'Bearer realm="Curfew"'}
        )
    address = client_address(request) or "unknown"
    key = limits.key("bad-tokens", f"at:{address}")
    if not limits.within([(key, BAD_TOKENS_PER_MINUTE)]):
        return _too_many()
    return ProblemError(
        "unauthorized", headers={"WWW-Authenticate": _challenge("invalid_token")}
    )


def _hold_pace(request: HttpRequest, token: ApiToken) -> None:
    """The token's own limit, and that of its person on writes, as on the pages."""
    most = settings.CURFEW.api_requests_per_minute
    counted = [(limits.key("api", f"token:{token.pk}"), most)]
    if request.method not in limits.READS:
        writes = settings.CURFEW.writes_per_minute
        counted.append((limits.key("writes", f"by:{token.owner_id}"), writes))
    if not limits.within(counted):
        raise _too_many()


def _too_many() -> ProblemError:
    seconds = str(limits.seconds_left())
    return ProblemError("too-many-requests", headers={"Retry-After": seconds})
