"""Tokens and their documents.

Source: ``docs/modelarts-api.md``, C.1.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .errors import iam_refusal
from .people import DOMAIN_ID, DOMAIN_NAME, PROJECTS, REGION, Project, User, fixed_id


@dataclass(frozen=True)
class Token:
    """An issued token; times are Unix milliseconds of the cloud's clock.

    Attributes:
        project: Scope; None for a token scoped to the domain or to nothing.
    """

    user: User
    project: Project | None
    methods: tuple[str, ...]
    issued_ms: int
    expires_ms: int


def find_project(scope: Any) -> Project | None:
    """Return the project of a requested scope; it wins over a domain (C.1)."""
    given = (scope or {}).get("project")
    if given is None:
        return None
    for project in PROJECTS:
        # Without a domain, IAM looks up the name in the user's own domain.
        by_name = given.get("name") == project.name and is_ours(
            given.get("domain", {"id": DOMAIN_ID})
        )
        if given.get("id") == project.id or by_name:
            return project
    raise iam_refusal(401, "The project does not exist or is not accessible.")


def is_ours(domain: dict[str, Any]) -> bool:
    return domain.get("id") == DOMAIN_ID or domain.get("name") == DOMAIN_NAME


def token_document(token: Token, base_url: str, with_catalog: bool) -> dict[str, Any]:
    """Return the body that describes a token.

    Args:
        base_url: The address that the client used, for the endpoints of the catalog.
    """
    domain = {"id": DOMAIN_ID, "name": DOMAIN_NAME}
    document: dict[str, Any] = {
        "methods": list(token.methods),
        "expires_at": _iso(token.expires_ms),
        "issued_at": _iso(token.issued_ms),
        "user": {
            "domain": domain,
            "id": token.user.id,
            "name": token.user.name,
            "password_expires_at": "",
        },
        "roles": [{"id": fixed_id("role", "te_admin"), "name": "te_admin"}],
    }
    if token.project is None:
        document["domain"] = domain
    else:
        document["project"] = {
            "domain": domain,
            "id": token.project.id,
            "name": token.project.name,
        }
    if with_catalog:
        document["catalog"] = [_entry("identity", "iam", "*", f"{base_url}/v3")]
        if token.project is not None:
            url = f"{base_url}/v1/{token.project.id}"
            document["catalog"].append(
                _entry("modelartsv1", "modelartsv1", REGION, url)
            )
    return {"token": document}


def _entry(kind: str, name: str, region: str, url: str) -> dict[str, Any]:
    return {
        "type": kind,
        "id": fixed_id("service", kind),
        "name": name,
        "endpoints": [
            {
                "url": url,
                "region": region,
                "region_id": region,
                "interface": "public",
                "id": fixed_id("endpoint", kind),
            }
        ],
    }


def _iso(moment_ms: int) -> str:
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
