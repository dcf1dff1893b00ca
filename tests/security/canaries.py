"""Secrets that occur nowhere else, planted wherever a cloud may have one."""

import itertools
import json
from typing import Any

import yaml

from dashboard.emulator import Emulator

CREDENTIALS = (
    *("password", "token", "ak", "sk", "security_token"),
    *("application_credential_secret", "passcode", "client_secret"),
    *("access_token", "refresh_token", "assertion", "code", "oauth2_client_secret"),
    *("adfs_password", "consumer_secret", "access_secret", "key_passphrase"),
)
"""What keystoneauth's plugins, openstack.config and ours call a secret."""

WRONG_PASSWORD = "CANARY-wrong-password"


def clouds(emulator: Emulator, token: str) -> tuple[str, str, set[str]]:
    """Files that describe the emulator four times, once for each way to sign in.

    Each cloud has a canary in every field that its way does not use, at both places
    where the field may stand; half of them are in secure.yaml. The last is refused.

    Returns:
        clouds.yaml, secure.yaml, and all secrets in them.
    """
    user, described = emulator.service_user, emulator.clouds_yaml("demo")
    plain = yaml.safe_load(described)["clouds"]["demo"]
    get_by_pk = yaml.safe_load(emulator.clouds_yaml("x", signed=True))["clouds"]["x"]
    place = {
        "auth_url": plain["auth"]["auth_url"],
        "project_id": emulator.project_id,
    }
    override = {"modelartsv1_endpoint_override": emulator.modelarts_url}
    # A key, or a token, would be used before the password, wherever it stands.
    ways: dict[str, tuple[dict[str, Any], set[str]]] = {
        "demo": (plain, {"password", "token", "ak"}),
        "signed": (get_by_pk, {"ak", "sk", "security_token"}),
        "token": ({"auth": place | {"token": token}} | override, {"token", "ak"}),
        "refused": (
            plain | {"auth": plain["auth"] | {"password": WRONG_PASSWORD}},
            {"password", "token", "ak"},
        ),
    }
    planted = {user.password, user.secret_key, user.access_key, token, WRONG_PASSWORD}
    open_file: dict[str, Any] = {}
    secure: dict[str, Any] = {}
    for name, (cloud, used) in ways.items():
        unused = [field for field in CREDENTIALS if field not in used]
        files: list[dict[str, Any]] = [cloud | {"auth": dict(cloud["auth"])}, {}]
        for number, (field, at) in enumerate(
            itertools.product(unused, ("auth", "top"))
        ):
            canary = f"CANARY-{name}-{at}-{field}"
            file = files[number // 2 % 2]
            holder = file.setdefault("auth", {}) if at == "auth" else file
            holder[field] = canary
            planted.add(canary)
        open_file[name], secure[name] = files
    as_yaml = [yaml.safe_dump({"clouds": held}) for held in (open_file, secure)]
    return as_yaml[0], as_yaml[1], planted


def answer(name: str) -> tuple[dict[str, Any], set[str]]:
    """Members to lay over an instance, with a secret wherever one may be.

    Args:
        name: Goes into the canaries.

    Returns:
        The members, and the secrets in them.
    """
    numbers = itertools.count(1)
    planted = set()

    def canary(kind: str) -> str:
        made = f"CANARY-{name}-{kind}-{next(numbers)}"
        planted.add(made)
        return made

    def credential() -> dict[str, str]:
        return {key: canary(key) for key in ("ssh_private_key", "access_token")} | {
            "ak": canary("ak"),
            "sk": canary("sk"),
        }

    def address() -> str:
        return (
            f"https://me:{canary('userinfo')}@git.example.com/x"
            f"?token={canary('query')}&x=1#access_token={canary('fragment')}"
        )

    def repository() -> dict[str, Any]:
        connection = {"url": address(), "credential": credential()}
        return {"id": "r", "type": "GitHub", "connection_info": connection}

    def free() -> dict[str, Any]:
        keys = ("ak", "obs_sk", "userToken", "dbPassword", "X-Auth-Token", "api_key")
        return {key: canary(key) for key in keys} | {
            "kept": "yes",
            "address": address(),
            "deeper": {
                "secret": canary("deeper"),
                "also": [{"pwd": canary("list"), "address": address()}, address()],
            },
        }

    members = {
        "token": canary("token"),
        "credential": credential(),
        "repository": repository(),
        "profile": {"labels": free(), "provision": {"annotations": free()}},
        "flavor_details": {"params": free()},
        "spec": {
            "token": canary("token"),
            "credential": credential(),
            "repository": repository(),
            "annotations": free() | {"url": address(), "target_domain": address()},
            "extend_params": free(),
            "log_path": address(),
            "custom_script_path": address(),
            "storage": {"type": "obs", "location": {"path": address()}},
            "failed_reasons": {
                "code": "ModelArts.6302",
                "message": f"clone of {address()} failed",
                "detail": free(),
            },
        },
    }
    return members, planted


def refusal() -> tuple[str, set[str]]:
    """The body of an error that quotes secrets, and those secrets."""
    planted = {f"CANARY-refusal-{number}" for number in range(1, 6)}
    first, second, third, fourth, fifth = sorted(planted)
    body = {
        "error_code": "ModelArts.6302",
        "error_msg": f"cannot reach https://me:{first}@obs.example.com/?sk={second}",
        "token": third,
        "details": [{"password": fourth}],
        "error": {"credential": {"secret": fifth}},
    }
    return json.dumps(body), planted
