"""What clouds.yaml says about the API that a cloud serves."""

from pathlib import Path
from typing import Any

import pytest

from dashboard.modelarts.clouds import load_cloud
from dashboard.modelarts.errors import ConfigurationError
from dashboard.modelarts.generations import Generation

from .conftest import Write
from .test_clouds import ENDPOINT, KEY, SIGN_IN

HUAWEI = "https://modelarts.cn-north-4.myhuaweicloud.com"
DEMANAGER, NOTEBOOKS = Generation.DEMANAGER, Generation.NOTEBOOKS


def configured(write: Write, **keys: Any) -> Any:
    entry = {"auth": SIGN_IN, "modelartsv1_endpoint_override": ENDPOINT}
    write(a=entry | keys)
    return load_cloud("a")


def test_usually_the_api_is_probed_and_little_is_assumed(write: Write) -> None:
    config = configured(write)
    assert config.generations is None
    assert config.max_run_hours == 24
    assert (config.allows_no_auto_stop, config.has_tags) == (False, False)


@pytest.mark.parametrize(
    "entry",
    [
        {"auth": KEY, "modelartsv1_endpoint_override": HUAWEI},
        {"auth": SIGN_IN | {"auth_url": "https://iam.eu-west-101.myhuaweicloud.eu/v3"}},
    ],
)
def test_huawei_cloud_allows_more(write: Write, entry: dict[str, Any]) -> None:
    write(a=entry)
    config = load_cloud("a")
    assert config.max_run_hours == 72
    assert (config.allows_no_auto_stop, config.has_tags) == (True, True)


def test_keys_come_before_what_is_assumed(write: Write) -> None:
    config = configured(
        write,
        modelartsv1_endpoint_override=HUAWEI,
        modelarts_max_run_hours=8,
        modelarts_no_auto_stop=False,
        modelarts_tags="false",
    )
    assert config.max_run_hours == 8
    assert (config.allows_no_auto_stop, config.has_tags) == (False, False)
    config = configured(write, modelarts_no_auto_stop=True, modelarts_tags="True")
    assert (config.allows_no_auto_stop, config.has_tags) == (True, True)


@pytest.mark.parametrize(
    ("value", "generations"),
    [
        ("notebooks", (NOTEBOOKS,)),
        (["demanager"], (DEMANAGER,)),
        (["notebooks", "demanager"], (DEMANAGER, NOTEBOOKS)),
        ("Notebooks, demanager", (DEMANAGER, NOTEBOOKS)),
        (None, None),
        ("", None),
    ],
)
def test_generations_are_a_list_or_a_text(
    write: Write, value: Any, generations: tuple[Generation, ...] | None
) -> None:
    assert configured(write, modelarts_generations=value).generations == generations


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("modelarts_generations", "notebook", "demanager, notebooks or both"),
        ("modelarts_generations", ["notebooks", "v3"], "demanager, notebooks or both"),
        ("modelarts_generations", [], "demanager, notebooks or both"),
        ("modelarts_generations", {"demanager": True}, "demanager, notebooks or both"),
        ("modelarts_max_run_hours", 0, "from 1 to 72"),
        ("modelarts_max_run_hours", 73, "from 1 to 72"),
        ("modelarts_max_run_hours", "a day", "from 1 to 72"),
        ("modelarts_max_run_hours", 1.5, "from 1 to 72"),
        ("modelarts_no_auto_stop", "perhaps", "true or false"),
        ("modelarts_tags", 2, "true or false"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_is_allowed(
    write: Write, key: str, value: Any, allowed: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configured(write, **{key: value})
    assert key in caught.value.sentence
    assert allowed in caught.value.sentence


def test_the_documents_name_the_keys() -> None:
    settings = Path(__file__).parents[2] / "docs" / "settings.md"
    text = settings.read_text()
    for key in ("generations", "max_run_hours", "no_auto_stop", "tags"):
        assert f"| `modelarts_{key}` |" in text


def test_notebooks_open_at_the_vendor_s_hosts_unless_told_otherwise(
    write: Write,
) -> None:
    assert configured(write).notebook_hosts == ()
    at_huawei = configured(write, modelartsv1_endpoint_override=HUAWEI)
    assert at_huawei.notebook_hosts == ("*.huaweicloud.com", "*.myhuaweicloud.com")
    console = "https://console.example.com/{instance_id}"
    config = configured(
        write,
        modelarts_notebook_hosts="a.example.com, *.B.example",
        modelarts_console_url=console,
    )
    assert config.notebook_hosts == ("a.example.com", "*.b.example")
    assert config.console_url == console
    off = {"modelarts_notebook_hosts": [], "modelartsv1_endpoint_override": HUAWEI}
    assert configured(write, **off).notebook_hosts == ()
    for wrong in (
        {"modelarts_notebook_hosts": "https://a.example.com"},
        {"modelarts_console_url": "javascript:alert(1)"},
    ):
        with pytest.raises(ConfigurationError):
            configured(write, **wrong)
