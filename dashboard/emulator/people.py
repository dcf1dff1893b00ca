"""The emulated account: people, workspaces, pools, projects.

Ids do not depend on the seed, so that scripts can use them.
"""

import hashlib
from dataclasses import dataclass

DOMAIN_NAME = "OTC00000000001000099999"
REGION = "eu-de"


def fixed_id(kind: str, name: str) -> str:
    """Return 32 hexadecimal digits that depend only on kind and name."""
    return hashlib.sha256(f"{kind}/{name}".encode()).hexdigest()[:32]


DOMAIN_ID = fixed_id("domain", DOMAIN_NAME)


@dataclass(frozen=True)
class User:
    """A user of the cloud (table 21) with their credentials.

    Nothing here is a secret: the passwords and keys open nothing but this emulator.
    """

    name: str

    @property
    def id(self) -> str:
        return fixed_id("user", self.name)

    @property
    def password(self) -> str:
        return f"fake-password-of-{self.name}"

    @property
    def access_key(self) -> str:
        return fixed_id("access key", self.name)[:20].upper()

    @property
    def secret_key(self) -> str:
        return hashlib.sha256(f"secret key/{self.name}".encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Project:
    """A project of the account; all fleets except the main one are empty."""

    name: str

    @property
    def id(self) -> str:
        return fixed_id("project", self.name)


@dataclass(frozen=True)
class Workspace:
    """A workspace (table 19); ``0`` is the default."""

    id: str


@dataclass(frozen=True)
class Pool:
    """A dedicated resource pool (tables 11 and 13)."""

    id: str
    name: str


#: The API account of clouds.yaml. It owns no notebook: without show_self=false the list
#: is empty.
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

#: The fleet's project ...
MAIN_PROJECT = Project("eu-de_demo")
#: ... and one to which a token can be scoped by mistake.
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
