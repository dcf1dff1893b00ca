"""Who lives in the emulated account: people, workspaces, pools, projects.

Ids do not depend on the seed, so that a script may name a person or a project once and
for all.
"""

import hashlib
from dataclasses import dataclass

DOMAIN_NAME = "OTC00000000001000099999"
REGION = "eu-de"


def fixed_id(kind: str, name: str) -> str:
    """Return the 32 hexadecimal digits that identify a thing of this kind and name."""
    return hashlib.sha256(f"{kind}/{name}".encode()).hexdigest()[:32]


DOMAIN_ID = fixed_id("domain", DOMAIN_NAME)


@dataclass(frozen=True)
class User:
    """An account of the cloud (table 21), with what it needs to sign in.

    Nothing here is a secret: the passwords and keys open nothing but this emulator.
    """

    name: str

    @property
    def id(self) -> str:
        """32 hexadecimal digits."""
        return fixed_id("user", self.name)

    @property
    def password(self) -> str:
        """Password for IAM."""
        return f"fake-password-of-{self.name}"

    @property
    def access_key(self) -> str:
        """AK: 20 capitals and digits."""
        return fixed_id("access key", self.name)[:20].upper()

    @property
    def secret_key(self) -> str:
        """SK: 40 characters."""
        return hashlib.sha256(f"secret key/{self.name}".encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Project:
    """A project of the account; each has a fleet of its own, all but one empty."""

    name: str

    @property
    def id(self) -> str:
        """32 hexadecimal digits."""
        return fixed_id("project", self.name)


@dataclass(frozen=True)
class Workspace:
    """A workspace (table 19); ``0`` is the one everybody starts with."""

    id: str


@dataclass(frozen=True)
class Pool:
    """A dedicated resource pool (tables 11 and 13)."""

    id: str
    name: str


#: The API account of clouds.yaml. It owns no notebook: who forgets show_self=false
#: sees an empty list.
SERVICE_USER = User("curfew-service")

PEOPLE = tuple(
    User(name)
    for name in (
        "anna.schmidt",
        "li.wei",
        "tom.becker",
        "jürgen.groß",
        "中村さくら",
        "maría.fernández",
        "priya.raman",
        "oluwaseun.adebayo",
        "王小明",
        "zoë.van.dijk",
        "łukasz.żółkiewski",
        "ingrid.sørensen",
        "김민준",
        "amélie.dubois",
        "nikos.papadopoulos",
        "ops_dev_env",
    )
)

USERS = {user.name: user for user in (SERVICE_USER, *PEOPLE)}

#: The fleet lives in this project ...
MAIN_PROJECT = Project("eu-de_demo")
#: ... and this one is there so that a token can be scoped to the wrong one.
OTHER_PROJECT = Project("eu-de")
PROJECTS = (MAIN_PROJECT, OTHER_PROJECT)

DEFAULT_WORKSPACE = Workspace("0")
WORKSPACES = (
    DEFAULT_WORKSPACE,
    *(
        Workspace(fixed_id("workspace", name))
        for name in ("vision", "speech", "forecasting")
    ),
)

POOLS = (
    Pool(f"pool-{fixed_id('pool', 'vision')[:8]}", "pool-vision-v100"),
    Pool(f"pool-{fixed_id('pool', 'ascend')[:8]}", "pool-ascend-lab"),
)
