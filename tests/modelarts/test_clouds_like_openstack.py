"""The same clouds.yaml, read by Curfew and by openstacksdk, against one cloud."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from openstack.config import OpenStackConfig

from dashboard.emulator import Emulator
from dashboard.emulator.people import DOMAIN_NAME, MAIN_PROJECT, REGION
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.clouds import load_cloud
from dashboard.modelarts.errors import ModelArtsError

SIZE = 7
DOMAIN = "user_domain_name: <domain>"
USER = "auth_url: <iam>, username: <user>, password: <password>"
BY_ID, BY_NAME = "project_id: <project>", "project_name: <project_name>"
GOOD = f"auth: {{{USER}, {DOMAIN}, {BY_ID}}}"
NAMED = f"auth: {{{USER}, {DOMAIN}, {BY_NAME}}}"
OVERRIDE = "modelartsv1_endpoint_override: '<root>/v1/%(project_id)s'"

WORK = {
    "by id": [GOOD],
    "by name": [NAMED],
    "tenant by id": [f"auth: {{{USER}, {DOMAIN}, tenant_id: <project>}}"],
    "tenant by name": [f"auth: {{{USER}, {DOMAIN}, tenant-name: <project_name>}}"],
    "one domain": [f"auth: {{{USER}, domain_name: <domain>, {BY_ID}}}"],
    "default domain": [f"auth: {{{USER}, default_domain_name: <domain>, {BY_ID}}}"],
    "project beside auth": [f"auth: {{{USER}, {DOMAIN}}}", BY_ID],
    "project's address with the id": [
        GOOD,
        "modelartsv1_endpoint_override: '<root>/v1/<project>'",
    ],
    "project's address with a placeholder": [GOOD, OVERRIDE],
    "the same by name": [NAMED, OVERRIDE],
    "address under its old name": [
        GOOD,
        "modelartsv1_endpoint: '<root>/v1/%(project_id)s'",
    ],
    "hyphens in keys": [
        GOOD,
        "modelartsv1-endpoint-override: '<root>/v1/%(project_id)s'",
    ],
    "region in a list": [GOOD, "regions: [<region>]"],
    "region with values": [
        GOOD,
        "regions: [{name: <region>, values: {interface: public}}]",
    ],
    "explicit password": [GOOD, "auth_type: password"],
    "explicit v3password": [GOOD, "auth_type: v3password"],
}
FAIL = {
    "another password": [
        f"auth: {{{USER.replace('<password>', 'wrong')}, {DOMAIN}, {BY_ID}}}"
    ],
    "no password": [f"auth: {{auth_url: <iam>, username: <user>, {DOMAIN}, {BY_ID}}}"],
    "no auth": ["region_name: <region>"],
    "empty auth": ["auth:"],
    "a list for auth": ["auth: [1]"],
    "a variable of the shell": [GOOD.replace("<iam>", "${OS_AUTH_URL}")],
    "an address with an unknown placeholder": [
        GOOD,
        OVERRIDE.replace("project_id", "cat"),
    ],
}


@pytest.fixture(scope="module")
def emulated() -> Iterator[Emulator]:
    with Emulator(fleet=SIZE) as cloud:
        yield cloud


@pytest.fixture
def written(
    emulated: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """The only clouds.yaml, with the lines of the test filled in."""
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    user = emulated.service_user
    values = {
        "iam": f"{emulated.url}/v3",
        "root": emulated.url,
        "user": user.name,
        "password": user.password,
        "domain": DOMAIN_NAME,
        "project": emulated.project_id,
        "project_name": MAIN_PROJECT.name,
        "region": REGION,
    }
    text = "".join(f"    {line}\n" for line in request.param)
    for name, value in values.items():
        text = text.replace(f"<{name}>", value)
    (tmp_path / "clouds.yaml").write_text(f"clouds:\n  lab:\n{text}")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))


def listed_by_openstack() -> int | None:
    """Return the number of instances that keystoneauth finds; None if it fails."""
    try:
        cloud = OpenStackConfig().get_one("lab")
        answer = cloud.get_session().get(
            "/demanager/instances",
            params={"de_type": "Notebook", "limit": SIZE, "show_self": "false"},
            endpoint_override=cloud.get_endpoint("modelartsv1"),
            endpoint_filter={"service_type": "modelartsv1", "interface": "public"},
        )
    except Exception:
        return None  # the openstack client ends with a traceback in some cases
    return len(answer.json()["instances"])


def listed_by_curfew() -> int | None:
    try:
        with ModelArtsClient(load_cloud("lab")) as client:
            return sum(
                len(page.instances) for page in client.demanager.list_instances()
            )
    except ModelArtsError:
        return None


@pytest.mark.parametrize("written", WORK.values(), ids=list(WORK), indirect=True)
@pytest.mark.usefixtures("written")
@pytest.mark.filterwarnings("ignore::Warning")
def test_a_file_that_openstacksdk_accepts_works() -> None:
    assert listed_by_openstack() == SIZE
    assert listed_by_curfew() == SIZE


@pytest.mark.parametrize("written", FAIL.values(), ids=list(FAIL), indirect=True)
@pytest.mark.usefixtures("written")
@pytest.mark.filterwarnings("ignore::Warning")
def test_a_file_that_openstacksdk_rejects_is_refused() -> None:
    assert listed_by_openstack() is None
    assert listed_by_curfew() is None
