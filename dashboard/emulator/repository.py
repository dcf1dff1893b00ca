"""Git repositories and credentials of notebooks, all of them fake.

Source: ``docs/modelarts-api.md``, A.6, tables 22 to 24. The secrets are canaries:
strings that occur nowhere else, so that a test can search pages, logs and databases for
them.
"""

from dataclasses import dataclass
from typing import Any

#: Where an instance contains table 24.
PLACES = ("spec-credential", "spec-repository", "repository")


def credential(place: str) -> dict[str, str]:
    """Return the credential object (table 24) of this place, canaries inside."""
    return {
        "ssh_private_key": f"FAKE-CANARY-ssh-private-key-of-{place}",
        "access_token": f"FAKE-CANARY-access-token-of-{place}",
    }


#: Every secret that an instance may contain.
CANARIES = tuple(value for place in PLACES for value in credential(place).values())


@dataclass(frozen=True)
class Repository:
    """A Git repository (tables 22 and 23)."""

    name: str
    branch: str
    user_name: str

    def document(self, place: str) -> dict[str, Any]:
        """Return the repository object for this place of an instance."""
        return {
            "id": f"repo-{self.name}",
            "branch": self.branch,
            "user_name": self.user_name,
            "user_email": f"{self.user_name}@example.com",
            "type": "GitHub",
            "connection_info": {
                "protocol": "https",
                "url": f"https://git.example.com/{self.user_name}/{self.name}.git",
                "credential": credential(place),
            },
        }
