"""Variants of clouds.yaml: those that work, and the messages for the others."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from dashboard.modelarts.auth import AkSkAuth, IamTokenAuth, StaticTokenAuth
from dashboard.modelarts.cloud_files import fingerprint
from dashboard.modelarts.clouds import configured_clouds, load_cloud
from dashboard.modelarts.errors import ConfigurationError

ENDPOINT = "https://modelarts.example.com"
SECRET = "CANARY-9f2c"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the only clouds.yaml and secure.yaml that are read."""
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    files = [str(tmp_path / "clouds.yaml")]
    monkeypatch.setattr("openstack.config.loader.CONFIG_FILES", files)
    secure = [str(tmp_path / "secure.yaml")]
    monkeypatch.setattr("openstack.config.loader.SECURE_FILES", secure)
    return tmp_path


def cloud(**changed: str) -> str:
    """Return a valid cloud ``lab`` as YAML; an empty text removes a line."""
    lines = {
        "auth_url": "https://iam.example.com/v3",
        "username": "curfew",
        "password": SECRET,
        "user_domain_name": "OTC",
        "project_id": "p1",
    } | changed
    auth = "\n".join(f"      {key}: {text}" for key, text in lines.items() if text)
    return f"clouds:\n  lab:\n    auth:\n{auth}\n"


def keyed(*lines: str, project: str = "project_id: p1") -> str:
    """Return a cloud without a password: an address and these lines."""
    body = "".join(f"    {line}\n" for line in lines)
    return (
        f"clouds:\n  lab:\n    auth: {{{project}}}\n"
        f"    modelartsv1_endpoint_override: {ENDPOINT}\n{body}"
    )


class TestUnreadable:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("clouds:\n  lab:\n\tauth:\n", "line 3 is not valid YAML"),
            (cloud(password="@bc"), "line 6 is not valid YAML"),
            (cloud(password=f"*{SECRET}"), "line 6 is not valid YAML"),
            (cloud(password=f"!{SECRET} x"), "line 6 is not valid YAML"),
            ("abc: def\n", "has no 'clouds' at its top level"),
            ("- lab\n", "has no 'clouds' at its top level"),
            ("clouds: [lab]\n", "'clouds' must map names to clouds"),
            ("clouds: lab\n", "'clouds' must map names to clouds"),
            ("clouds: {lab: {}}\nclient: [1]\n", "section with the wrong structure"),
            ("clouds: \x00", "it is not a text file"),
        ],
    )
    def test_an_error_names_the_line_but_no_values(
        self, place: Path, text: str, words: str
    ) -> None:
        (place / "clouds.yaml").write_text(text)
        for read in (configured_clouds, load_cloud):
            with pytest.raises(ConfigurationError) as caught:
                read()
            assert words in caught.value.sentence
            assert SECRET not in caught.value.sentence
            assert "clouds.yaml" in caught.value.sentence
            assert caught.value.__cause__ is None

    def test_a_binary_file_is_refused(self, place: Path) -> None:
        (place / "clouds.yaml").write_bytes(b"clouds: \xff\xfe\xfa")
        with pytest.raises(ConfigurationError, match="not a text file"):
            configured_clouds()

    def test_an_error_in_json_names_the_line(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (place / "c.json").write_text('{"clouds":\n  {lab: 1}}')
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(place / "c.json"))
        with pytest.raises(ConfigurationError, match="line 2 is not valid JSON"):
            configured_clouds()

    def test_a_folder_is_refused(self, place: Path) -> None:
        (place / "clouds.yaml").mkdir()
        with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
            configured_clouds()

    @pytest.mark.parametrize("kind", ["CONFIG", "SECURE"])
    def test_a_missing_file_is_refused(
        self, place: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        (place / "clouds.yaml").write_text(cloud())
        monkeypatch.setenv(f"OS_CLIENT_{kind}_FILE", str(place / "gone.yaml"))
        with pytest.raises(ConfigurationError, match=f"OS_CLIENT_{kind}_FILE is wrong"):
            configured_clouds()

    @pytest.mark.parametrize("text", ["", "# nothing\n", "clouds:\n", "clouds: {}\n"])
    def test_an_empty_file_configures_no_cloud(self, place: Path, text: str) -> None:
        (place / "clouds.yaml").write_text(text)
        assert configured_clouds() == []
        with pytest.raises(ConfigurationError, match="No cloud is configured"):
            load_cloud()

    def test_with_an_empty_file_the_variables_count(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("OS_AUTH_URL", "https://iam.example.com/v3")
        assert configured_clouds() == ["envvars"]


class TestMalformedEntry:
    @pytest.mark.parametrize(
        ("entry", "words"),
        [
            ("[auth]", "its entry must map keys to values"),
            ("text", "its entry must map keys to values"),
            ("{auth: [username, password]}", "auth must map keys to values"),
            ("{auth: curfew}", "auth must map keys to values"),
            (
                "{auth: {password: no}}",
                "YAML reads password as true or false; put it in quotes",
            ),
            (f"{{regions: [{{values: {SECRET}}}]}}", "regions must be a list of names"),
            ("{regions: eu-de}", "regions must be a list of names"),
            ("{networks: 5}", "a value in its entry has the wrong structure"),
            ("{auth: {auth_url: [1]}}", "a value in its entry has the wrong structure"),
            ("{auth: null}", "auth_url is missing"),
            ("null", "auth_url is missing"),
            ("{1: 2, auth: {3: 4}}", "auth_url is missing"),
        ],
    )
    def test_it_is_an_error_and_the_others_work(
        self, place: Path, entry: str, words: str
    ) -> None:
        text = cloud() + f"  odd: {entry}\n"
        (place / "clouds.yaml").write_text(text)
        assert configured_clouds() == ["lab", "odd"]
        assert load_cloud("lab").project_id == "p1"
        with pytest.raises(ConfigurationError) as caught:
            load_cloud("odd")
        assert caught.value.sentence.startswith("Cloud 'odd': ")
        assert words in caught.value.sentence
        assert SECRET not in caught.value.sentence

    def test_an_empty_auth_is_filled_by_the_secure_file(self, place: Path) -> None:
        (place / "clouds.yaml").write_text("clouds:\n  lab:\n    auth:\n")
        (place / "secure.yaml").write_text(cloud())
        assert isinstance(load_cloud("lab").auth, IamTokenAuth)

    @pytest.mark.parametrize(("written", "name"), [("1", "1"), ("no", "False")])
    def test_a_name_that_is_not_text_becomes_text(
        self, place: Path, written: str, name: str
    ) -> None:
        (place / "clouds.yaml").write_text(cloud().replace("lab", written))
        assert configured_clouds() == [name]
        assert load_cloud(name).name == name


class TestKeys:
    @pytest.mark.parametrize(
        "text",
        [
            keyed("ak: AK", "sk: SK"),
            keyed("access_key: AK", "secret_key: SK"),
            keyed("access-key: AK", "secret-key: SK"),
            keyed(project="project_id: p1, ak: AK, sk: SK"),
            keyed(project="project_id: p1, access_key: AK, secret_key: SK"),
            keyed("ak: AK", "sk: SK", project="tenant_id: p1"),
        ],
    )
    def test_a_key_has_several_names(self, place: Path, text: str) -> None:
        (place / "clouds.yaml").write_text(text)
        assert isinstance(load_cloud("lab").auth, AkSkAuth)

    @pytest.mark.parametrize(
        ("names", "text"),
        [
            (("OS_ACCESS_KEY", "OS_SECRET_KEY"), keyed()),
            (("OS_ACCESS_KEY", "OS_SECRET_KEY"), None),
            (("OS_AK", "OS_SK"), None),
        ],
    )
    def test_a_key_comes_from_variables(
        self,
        place: Path,
        monkeypatch: pytest.MonkeyPatch,
        names: tuple[str, str],
        text: str | None,
    ) -> None:
        for name, value in zip(names, ("AK", "SK"), strict=True):
            monkeypatch.setenv(name, value)
        if text is None:
            monkeypatch.setenv("OS_PROJECT_ID", "p1")
            monkeypatch.setenv("OS_REGION_NAME", "eu-de")
        else:
            (place / "clouds.yaml").write_text(text)
        (name,) = configured_clouds()
        assert isinstance(load_cloud(name).auth, AkSkAuth)

    def test_a_key_in_variables_replaces_no_password(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OS_ACCESS_KEY", "AK")
        monkeypatch.setenv("OS_SECRET_KEY", "SK")
        (place / "clouds.yaml").write_text(cloud())
        assert isinstance(load_cloud("lab").auth, IamTokenAuth)

    @pytest.mark.parametrize(
        "change",
        [
            {"username": "", "user_name": "curfew"},
            {"username": "", "user_id": "u1", "user_domain_name": ""},
            {"user_domain_name": "", "user_domain_id": "d1"},
            {"user_domain_name": "", "domain_name": "OTC"},
            {"user_domain_name": "", "default_domain_name": "OTC"},
            {"project_id": "", "tenant_name": "eu-de"},
            {"project_id": "", "project_name": "eu-de"},
            {"password": "12345678"},
        ],
    )
    def test_a_password_has_several_names(
        self, place: Path, change: dict[str, str]
    ) -> None:
        (place / "clouds.yaml").write_text(cloud(**change))
        assert isinstance(load_cloud("lab").auth, IamTokenAuth)

    def test_a_token(self, place: Path) -> None:
        (place / "clouds.yaml").write_text(keyed("auth_token: T"))
        assert isinstance(load_cloud("lab").auth, StaticTokenAuth)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (keyed("ak: AK", "sk: SK", project="project_name: x"),
             "set auth.project_id; an access key signs for the ID"),
            (keyed("ak: AK"), "sk is missing; ak and sk must be set together"),
            (keyed("secret_key: SK"), "ak is missing; ak and sk must be set together"),
            (keyed(), "auth_url is missing"),
            (cloud(password=""), "password is missing; give a user and password"),
            (cloud(username=""), "username is missing"),
            (cloud() + "    auth_type: v3oidcpassword\n", "auth_type v3oidcpassword"),
            (cloud(password="", application_credential_id="x"),
             "auth_type v3applicationcredential cannot be used"),
        ],
    )  # fmt: skip
    def test_a_missing_value_is_named(self, place: Path, text: str, words: str) -> None:
        (place / "clouds.yaml").write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            load_cloud("lab")
        assert words in caught.value.sentence


class TestAddresses:
    @pytest.mark.parametrize(
        "project",
        [
            *("%(project_id)s", "$(project_id)s", "%(tenant_id)s", "$(tenant_id)s"),
            *("{project_id}", "${project_id}", "{tenant_id}"),
        ],
    )
    @pytest.mark.parametrize("known", [{}, {"project_id": "", "project_name": "x"}])
    def test_a_placeholder_is_no_project(
        self, place: Path, project: str, known: dict[str, str]
    ) -> None:
        override = f"{ENDPOINT}/v1/{project}"
        line = f'    modelartsv1_endpoint_override: "{override}"\n'
        (place / "clouds.yaml").write_text(cloud(**known) + line)
        described = load_cloud("lab")
        assert described.endpoint == ENDPOINT
        assert described.project_id == (None if known else "p1")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (cloud(auth_url="https://iam.${OS_REGION_NAME}.example.com"),
             "auth_url contains a placeholder that is not filled in"),
            (cloud(auth_url="https://iam.$REGION.example.com"),
             "auth_url contains a placeholder that is not filled in"),
            (cloud(auth_url="https://iam.{region_name}.example.com"),
             "auth_url has no host name"),
            (cloud(auth_url="iam.example.com/v3"), "auth_url must begin with https://"),
            (cloud(auth_url="https://iam.example.com:x/v3"),
             "auth_url is not a valid address"),
            (cloud(auth_url="https://iam.example.com/v3/auth/tokens"),
             "auth_url must end in /v3"),
            (cloud() + f"    modelartsv1_endpoint_override: {ENDPOINT}/v1/%(user_id)s",
             "modelartsv1_endpoint_override contains a placeholder"),
            (cloud() + "    modelartsv1_endpoint_override: https://%(region)s.x/v1",
             "modelartsv1_endpoint_override contains a placeholder"),
            (cloud() + '    verify: "off"\n', "verify 'off' is not a readable"),
            (cloud() + "    cacert: /nowhere\n", "cacert '/nowhere' is not a readable"),
            (keyed("ak: AK", "sk: SK", "region_name: EU-DE").replace(
                "modelartsv1_endpoint_override", "x"),
             "region_name is 'EU-DE'; without a password"),
        ],
    )  # fmt: skip
    def test_the_key_that_is_wrong_is_named(
        self, place: Path, text: str, words: str
    ) -> None:
        (place / "clouds.yaml").write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            load_cloud("lab")
        assert words in caught.value.sentence
        assert SECRET not in caught.value.sentence

    @pytest.mark.parametrize(
        ("line", "verify"),
        [
            *(("verify: false", False), ('verify: "false"', False)),
            *(("verify: True", True), ('verify: "true"', True)),
            *(("verify:", True), ('insecure: "true"', False)),
        ],
    )
    def test_only_false_turns_checks_off(
        self, place: Path, line: str, verify: bool
    ) -> None:
        (place / "clouds.yaml").write_text(f"{cloud()}    {line}\n")
        assert load_cloud("lab").verify is verify

    @pytest.mark.parametrize("place_of", ["override", "endpoint"])
    def test_regions_have_their_own_values(self, place: Path, place_of: str) -> None:
        key = {"override": "modelartsv1_endpoint_override"}.get(
            place_of, "modelartsv1_endpoint"
        )
        regions = f"    regions: [{{name: eu-nl, values: {{{key}: {ENDPOINT}}}}}]\n"
        (place / "clouds.yaml").write_text(cloud() + regions)
        described = load_cloud("lab")
        assert (described.region, described.endpoint) == ("eu-nl", ENDPOINT)


def test_a_changed_file_changes_the_fingerprint(place: Path) -> None:
    states = [fingerprint()]
    for name in ("clouds.yaml", "secure.yaml"):
        (place / name).write_text(cloud())
        states.append(fingerprint())
        (place / name).write_text(cloud(password="another"))
        states.append(fingerprint())
    (place / "secure.yaml").unlink()
    states.append(fingerprint())
    assert all(before != after for before, after in pairwise(states))
    assert fingerprint() == states[-1]
