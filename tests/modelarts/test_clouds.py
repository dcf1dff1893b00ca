"""clouds.yaml and OS_* are read like the openstack client reads them."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.modelarts.auth import AkSkAuth, IamTokenAuth, StaticTokenAuth
from dashboard.modelarts.clouds import configured_clouds, load_cloud
from dashboard.modelarts.errors import ConfigurationError

from .conftest import Write

ENDPOINT = "https://modelarts.example.com"
SIGN_IN = {
    "auth_url": "https://iam.example.com/v3",
    "username": "curfew",
    "password": "CANARY-PASSWORD",
    "user_domain_name": "OTC",
    "project_id": "p1",
}
KEY = {"ak": "AK", "sk": "CANARY-SK", "project_id": "p1"}


pytestmark = pytest.mark.usefixtures("nothing_configured")


def set_variables(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"OS_{name}", value)


def variables(settings: dict[str, str]) -> dict[str, str]:
    return {name.upper(): value for name, value in settings.items()}


class TestNames:
    def test_all_clouds_of_the_file(self, write: Write) -> None:
        write(b={"auth": SIGN_IN}, a={"auth": SIGN_IN})
        assert sorted(configured_clouds()) == ["a", "b"]

    def test_variables_next_to_a_file_add_no_cloud(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(a={"auth": SIGN_IN})
        set_variables(monkeypatch, **variables(SIGN_IN))
        assert configured_clouds() == ["a"]

    def test_variables_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        set_variables(monkeypatch, **variables(SIGN_IN))
        assert configured_clouds() == ["envvars"]
        set_variables(monkeypatch, CLOUD_NAME="lab")
        assert configured_clouds() == ["lab"]
        assert load_cloud("lab").project_id == "p1"

    def test_no_cloud_is_configured(self) -> None:
        assert configured_clouds() == []
        with pytest.raises(ConfigurationError, match=r"create a clouds\.yaml"):
            load_cloud(None)

    def test_an_empty_file_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "c.yaml").write_text("- no mapping")
        set_variables(monkeypatch, CLIENT_CONFIG_FILE=str(tmp_path / "c.yaml"))
        with pytest.raises(ConfigurationError, match=r"c\.yaml"):
            configured_clouds()


class TestChoice:
    def test_the_only_cloud(self, write: Write) -> None:
        write(a={"auth": SIGN_IN})
        assert load_cloud(None).name == "a"

    def test_one_of_several_must_be_named(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(a={"auth": SIGN_IN}, b={"auth": SIGN_IN})
        with pytest.raises(ConfigurationError, match="set OS_CLOUD to one of: a, b"):
            load_cloud(None)
        set_variables(monkeypatch, CLOUD="b")
        assert load_cloud(None).name == "b"

    def test_complete_variables_win_over_the_file(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(a={"auth": SIGN_IN})
        set_variables(monkeypatch, **variables(SIGN_IN | {"project_id": "p2"}))
        assert load_cloud(None).project_id == "p2"
        assert load_cloud("a").project_id == "p1"

    def test_a_single_variable_does_not(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(a={"auth": SIGN_IN})
        set_variables(monkeypatch, IDENTITY_API_VERSION="3")
        assert load_cloud(None).name == "a"

    def test_an_unknown_name_lists_the_known(self, write: Write) -> None:
        write(a={"auth": SIGN_IN})
        with pytest.raises(ConfigurationError, match=r"no cloud 'x'.*it has: a"):
            load_cloud("x")


class TestCredentials:
    def test_password(self, write: Write) -> None:
        write(a={"auth": SIGN_IN, "region_name": "eu-de"})
        cloud = load_cloud("a")
        assert isinstance(cloud.auth, IamTokenAuth)
        assert (cloud.endpoint, cloud.project_id) == (None, "p1")
        assert (cloud.region, cloud.verify) == ("eu-de", True)
        assert "CANARY" not in repr(cloud)

    def test_password_from_the_secure_file(self, write: Write) -> None:
        public = {key: value for key, value in SIGN_IN.items() if key != "password"}
        write(a={"auth": public})
        with pytest.raises(ConfigurationError, match="password is missing"):
            load_cloud("a")
        write("secure.yaml", a={"auth": {"password": "{x} CANARY"}})
        assert isinstance(load_cloud("a").auth, IamTokenAuth)

    @pytest.mark.parametrize("key", ["auth_url", "username", "user_domain_name"])
    def test_a_missing_value_is_named(self, write: Write, key: str) -> None:
        write(a={"auth": {k: v for k, v in SIGN_IN.items() if k != key}})
        with pytest.raises(ConfigurationError, match=f"Cloud 'a': {key} is missing"):
            load_cloud("a")

    def test_a_project_is_needed(self, write: Write) -> None:
        write(a={"auth": SIGN_IN | {"project_id": None}})
        with pytest.raises(ConfigurationError, match=r"auth\.project_id"):
            load_cloud("a")
        write(a={"auth": SIGN_IN | {"project_id": None, "project_name": "eu-de"}})
        assert load_cloud("a").project_id is None

    @pytest.mark.parametrize("place", ["auth", "top"])
    def test_a_key_signs(self, write: Write, place: str) -> None:
        endpoint = {"modelartsv1_endpoint_override": ENDPOINT}
        write(a=endpoint | ({"auth": KEY} if place == "auth" else KEY))
        cloud = load_cloud("a")
        request = httpx.Request("GET", ENDPOINT)
        assert isinstance(cloud.auth, AkSkAuth)
        signed = next(cloud.auth.sync_auth_flow(request))
        assert "Access=AK," in signed.headers["Authorization"]
        assert signed.headers["X-Project-Id"] == "p1"
        assert "CANARY" not in repr(cloud)

    def test_a_key_from_variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        set_variables(monkeypatch, REGION_NAME="eu-de", **variables(KEY))
        cloud = load_cloud(None)
        assert isinstance(cloud.auth, AkSkAuth)
        assert cloud.endpoint == "https://modelarts.eu-de.otc.t-systems.com"

    @pytest.mark.parametrize("secret", ["{oops", "a{0}b", "}{", "{region_name}"])
    def test_braces_in_a_key_are_kept(self, write: Write, secret: str) -> None:
        signatures = set()
        for section in (KEY | {"sk": secret}, {"auth": KEY | {"sk": secret}}):
            write(a=section | {"region_name": "eu-de"})
            auth: Any = load_cloud("a").auth
            signatures.add(auth._secret_key)
        assert signatures == {secret}

    def test_a_static_token(self, write: Write) -> None:
        auth = {"token": "CANARY-TOKEN", "project_id": "p1"}
        write(a={"auth": auth, "auth_type": "token", "region_name": "eu-nl"})
        cloud = load_cloud("a")
        assert isinstance(cloud.auth, StaticTokenAuth)
        assert cloud.endpoint == "https://modelarts.eu-nl.otc.t-systems.com"
        write(a={"auth": auth | {"token": "CANARY\u20ac"}, "region_name": "eu-nl"})
        with pytest.raises(ConfigurationError, match="cannot be sent") as caught:
            load_cloud("a")
        assert "CANARY" not in str(caught.value)

    def test_a_vendor_profile_fills_in_the_region(self, write: Write) -> None:
        auth = {key: value for key, value in SIGN_IN.items() if key != "auth_url"}
        write(a={"profile": "otc", "auth": auth, "region_name": "eu-nl"})
        assert isinstance(load_cloud("a").auth, IamTokenAuth)


class TestAddress:
    @pytest.mark.parametrize(
        "override",
        [ENDPOINT, ENDPOINT + "/", ENDPOINT + "/v1", ENDPOINT + "/v1/p1/"],
    )
    def test_an_override_may_name_the_project(
        self, write: Write, override: str
    ) -> None:
        write(a={"auth": SIGN_IN, "modelartsv1_endpoint_override": override})
        assert load_cloud("a").endpoint == ENDPOINT
        assert load_cloud("a").project_id == "p1"

    def test_an_override_may_bring_the_project(self, write: Write) -> None:
        auth = SIGN_IN | {"project_id": None, "project_name": "eu-de"}
        override = ENDPOINT + "/v1/p9"
        write(a={"auth": auth, "modelartsv1_endpoint_override": override})
        assert load_cloud("a").project_id == "p9"

    def test_two_different_projects_are_refused(self, write: Write) -> None:
        override = ENDPOINT + "/v1/p9"
        write(a={"auth": SIGN_IN, "modelartsv1_endpoint_override": override})
        with pytest.raises(ConfigurationError, match="different projects"):
            load_cloud("a")

    def test_an_override_is_an_address(self, write: Write) -> None:
        write(a={"auth": SIGN_IN, "modelartsv1_endpoint_override": "modelarts"})
        with pytest.raises(ConfigurationError, match="must begin with https"):
            load_cloud("a")

    @pytest.mark.parametrize("region", [None, "eu-west-101"])
    def test_in_another_region_a_key_needs_an_address(
        self, write: Write, region: str | None
    ) -> None:
        write(a={"auth": KEY, "region_name": region} if region else {"auth": KEY})
        with pytest.raises(ConfigurationError, match="modelartsv1_endpoint_override"):
            load_cloud("a")


class TestVerify:
    def test_off(self, write: Write) -> None:
        write(a={"auth": SIGN_IN, "verify": False})
        assert load_cloud("a").verify is False

    def test_an_authority(self, write: Write, tmp_path: Path) -> None:
        import certifi

        write(a={"auth": SIGN_IN, "cacert": certifi.where()})
        assert load_cloud("a").verify == certifi.where()
        for bad in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
            (tmp_path / "empty.pem").write_text("no certificate")
            write(a={"auth": SIGN_IN, "cacert": str(bad)})
            with pytest.raises(ConfigurationError, match="certificate authority"):
                load_cloud("a")
