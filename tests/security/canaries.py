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

MARK = "CANARY-"
"""Part of every canary of this module, and of most canaries of the emulator."""

WRONG_PASSWORD = f"{MARK}wrong-password"


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
            canary = f"{MARK}{name}-{at}-{field}"
            file = files[number // 2 % 2]
            holder = file.setdefault("auth", {}) if at == "auth" else file
            holder[field] = canary
            planted.add(canary)
        open_file[name], secure[name] = files
    as_yaml = [yaml.safe_dump({"clouds": held}) for held in (open_file, secure)]
    return as_yaml[0], as_yaml[1], planted


class Planter:
    """Makes canaries.

    Args:
        name: Goes into all of them.

    Attributes:
        planted: Those made so far.
    """

    def __init__(self, name: str) -> None:
        self._name, self._numbers = name, itertools.count(1)
        self.planted: set[str] = set()

    def canary(self, kind: str) -> str:
        made = f"{MARK}{self._name}-{kind}-{next(self._numbers)}"
        self.planted.add(made)
        return made

    def credential(self) -> dict[str, str]:
        keys = ("ssh_private_key", "access_token", "ak", "sk")
        return {key: self.canary(key) for key in keys}

    def address(self) -> str:
        return (
            f"https://me:{self.canary('userinfo')}@git.example.com/x"
            f"?token={self.canary('query')}&x=1#access_token={self.canary('fragment')}"
        )

    def free(self) -> dict[str, Any]:
        keys = ("ak", "obs_sk", "userToken", "dbPassword", "X-Auth-Token", "api_key")
        return {key: self.canary(key) for key in keys} | {
            "kept": "yes",
            "address": self.address(),
            "deeper": {
                "secret": self.canary("deeper"),
                "also": [
                    {"pwd": self.canary("list"), "address": self.address()},
                    self.address(),
                ],
            },
        }


def answer(name: str) -> tuple[dict[str, Any], set[str]]:
    """Members to lay over an instance, with a secret wherever one may be.

    Args:
        name: Goes into the canaries.

    Returns:
        The members, and the secrets in them.
    """
    plant = Planter(name)
    canary, credential = plant.canary, plant.credential
    address, free = plant.address, plant.free

    def repository() -> dict[str, Any]:
        connection = {"url": address(), "credential": credential()}
        return {"id": "r", "type": "GitHub", "connection_info": connection}

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
    return members, plant.planted


def notebook(name: str) -> tuple[dict[str, Any], set[str]]:
    """The same for a notebook; its addresses are as secret as what opens it."""
    plant = Planter(name)
    canary, credential = plant.canary, plant.credential
    address, free = plant.address, plant.free

    def volume() -> dict[str, Any]:
        return {
            "category": "OBSFS",
            "dew_secret_name": canary("dew_secret_name"),
            "uri": canary("volume_uri"),
            "mount_path": address(),
            "url": address(),
        } | free()

    members = {
        "token": canary("token"),
        "url": f"https://{canary('host')}.example.com/lab?token={canary('url')}",
        "ip": canary("ip"),
        "user_vpc": {"vpc_id": canary("vpc"), "ip": canary("vpc_ip")},
        "endpoints": [
            {
                "service": service,
                "uri": f"{protocol}://ma-user@{canary('host')}.example.com:30022",
                "allowed_access_ips": [canary("reader")],
                "ssh_keys": [canary("ssh_key")],
                "credential": credential(),
            }
            for service, protocol in (("SSH", "ssh"), ("NOTEBOOK", "https"))
        ],
        "volume": volume(),
        "data_volumes": [volume(), volume()],
        "image": {"swr_path": address(), "pull_secret": canary("pull")} | free(),
        "fail_reason": f"clone of {address()} failed",
        "action_progress": [
            {"step": 1, "status": "FAILED", "description": f"{address()} is away"},
            {"step": 9, "status": "FAILED", "step_description": address()},
        ],
        "hooks": {"container_hooks": {"post_start": {"script": canary("hook")}}},
        "user": {"credential": credential(), "domain": free()},
    } | {part: free() for part in ("lease", "pool", "custom_spec", "affinity")}
    return members, plant.planted


def refusal(name: str) -> tuple[str, set[str]]:
    """The body of an error that quotes secrets, and those secrets."""
    plant = Planter(f"refusal-{name}")
    canary, (quoted, inside) = plant.canary, notebook(f"refused-{name}")
    body = {
        "error_code": "ModelArts.6302",
        "error_msg": f"cannot reach https://me:{canary('user')}@obs.example.com/"
        f"?sk={canary('sk')} or https://obs.example.com/lab?token={canary('token')}",
        "token": canary("token"),
        "details": [{"password": canary("password")}],
        "error": {"credential": {"secret": canary("secret")}},
        "notebook": quoted,
    }
    return json.dumps(body), plant.planted | inside
