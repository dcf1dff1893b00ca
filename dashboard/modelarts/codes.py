"""The meaning of the documented error codes: who has to act, and what people read.

Sources: ModelArts API Reference, "Error Codes"; API Gateway User Guide, "Error Codes";
IAM API Reference, "Error Codes"; ``docs/modelarts-api.md``, E.1.
"""

from enum import Enum, auto
from typing import NamedTuple

from dashboard.modelarts.messages import Problem


class Kind(Enum):
    """Who has to act on a refusal, or what it is about."""

    INPUT = auto()  # the person who typed the values
    STATE = auto()  # the instance is in another state
    GONE = auto()  # the instance does not exist
    LATER = auto()  # no one: resources, load, a transient fault
    CREDENTIALS = auto()  # our token, key or project
    PERMISSION = auto()  # rights, quotas and bills of the account
    OPERATOR = auto()  # our configuration, or the vendor


class Meaning(NamedTuple):
    kind: Kind
    message: Problem


# A code that means different things under different HTTP statuses has the status in
# front of it.
_CODES: dict[Kind, dict[Problem, str]] = {
    Kind.INPUT: {
        Problem.NAME_TAKEN: "ModelArts.6301",
        Problem.NOT_SORTABLE: "ModelArts.6303",
        Problem.BAD_STORAGE: (
            "ModelArts.6316 ModelArts.6317 ModelArts.6772 ModelArts.6927"
        ),
        Problem.STORAGE_SLASH: "ModelArts.6318",
        Problem.BAD_FLAVOR: "ModelArts.6323",
        Problem.STORAGE_TYPE: "ModelArts.6324 ModelArts.6702",
        Problem.HARDWARE_MISMATCH: "ModelArts.6330",
        Problem.DISK_SIZE: "ModelArts.6331",
        Problem.WRONG_TYPE: "ModelArts.6332",
        Problem.BAD_CHARACTER: "ModelArts.6334",
        Problem.VALUE_MISSING: "ModelArts.6335",
        Problem.BAD_VALUE: (
            "ModelArts.6336 ModelArts.6600 ModelArts.0101 ModelArts.0104 ModelArts.0107"
        ),
        Problem.BAD_GIT: "ModelArts.6341 ModelArts.6343 ModelArts.6344 ModelArts.6345",
        Problem.STOP_IN_PAST: "ModelArts.6346",
        Problem.RUN_TIME_MISSING: "ModelArts.6348",
        Problem.RUN_TIME_RANGE: "ModelArts.6349",
        Problem.STORAGE_DIRECTORY: "ModelArts.6358",
        Problem.STORAGE_CLASS: "ModelArts.6371",
        Problem.NOT_UNDERSTOOD: "ModelArts.6400",
        Problem.BAD_SETTING: (
            "ModelArts.6768 ModelArts.6782 ModelArts.6789 ModelArts.6792 "
            "ModelArts.6797 ModelArts.6870 ModelArts.6967"
        ),
        Problem.NO_WORKSPACE: "ModelArts.0102",
        Problem.REQUEST_TOO_LARGE: (
            "ModelArts.4104 413/APIG.0201 414/APIG.0201 494/APIG.0201"
        ),
        Problem.NO_PRICE: "CBC.99006006",
        Problem.BILLING_REFUSED: "CBC.0100 CBC.99006050 CBC.99006055 CBC.99006074",
        Problem.CLOUD_DID_NOT_UNDERSTAND: "APIG.0106 APIG.0602 400/APIG.0201",
    },
    Kind.STATE: {
        Problem.MUST_BE_STOPPED: "ModelArts.6304",
        Problem.ALREADY_RUNNING: "ModelArts.6305",
        Problem.STILL_STARTING: "ModelArts.6306",
        Problem.ALREADY_STOPPED: "ModelArts.6307",
        Problem.STILL_STOPPING: "ModelArts.6308",
        Problem.NOT_RUNNING: "ModelArts.6327",
        Problem.RESTORING: "ModelArts.6333",
        Problem.WRONG_STATE: "ModelArts.6347",
        Problem.OTHER_OPERATION: "ModelArts.6357",
    },
    Kind.GONE: {
        Problem.GONE: "ModelArts.6309 ModelArts.6404",
    },
    Kind.LATER: {
        Problem.SOLD_OUT: "ModelArts.6329 ModelArts.6716",
        Problem.POOL_NOT_READY: "ModelArts.6355",
        Problem.FEW_RESOURCES: "ModelArts.6360",
        Problem.DISKS_SOLD_OUT: "ModelArts.6528",
        Problem.TIMED_OUT: "ModelArts.6100",
        Problem.BUSY: "ModelArts.6101",
        Problem.INTERNAL_ERROR: "ModelArts.0010 ModelArts.6102 APIG.0601 CBC.0999",
        Problem.NO_RESOURCES: "ModelArts.6200",
        Problem.NETWORK_ERROR: "ModelArts.6699",
        Problem.GATEWAY_FAILED: "APIG.0201",
        Problem.GATEWAY_UNREACHABLE: "APIG.0202 APIG.0610",
        Problem.GATEWAY_TIMED_OUT: "APIG.0203",
        Problem.TOO_MANY_REQUESTS: "APIG.0308 CBC.0250",
        Problem.SIGN_IN_UNAVAILABLE: "APIG.0613",
        Problem.SIGN_IN_INTERNAL_ERROR: "IAM.0006",
        Problem.SIGN_IN_TOO_MANY_REQUESTS: "IAM.0012",
    },
    Kind.CREDENTIALS: {
        Problem.NOT_SIGNED_IN: (
            "ModelArts.0201 ModelArts.0202 ModelArts.0205 ModelArts.0208 "
            "ModelArts.6401 ModelArts.6608 ModelArts.6620 APIG.0301 APIG.0307 "
            "IAM.0066 IAM.0067 401/ModelArts.0203 401/ModelArts.0204 "
            "401/ModelArts.0206 403/ModelArts.0203 CBC.0154"
        ),
        Problem.WRONG_PROJECT: (
            "ModelArts.0207 ModelArts.0212 400/ModelArts.0204 400/ModelArts.0210 "
            "403/ModelArts.0210"
        ),
        Problem.BAD_SIGNATURE: "APIG.0303 APIG.0305 403/ModelArts.0206",
        Problem.UNKNOWN_CREDENTIALS: "IAM.0001",
        Problem.UNKNOWN_USER: "IAM.0004",
        Problem.USER_LOCKED: "IAM.0061",
        Problem.WRONG_PASSWORD: "IAM.0062",
    },
    Kind.PERMISSION: {
        Problem.TOO_MANY_INSTANCES: "ModelArts.6302",
        Problem.STORAGE_KEY: (
            "ModelArts.6319 ModelArts.6320 ModelArts.6350 ModelArts.6353 ModelArts.6354"
        ),
        Problem.IN_ARREARS: "ModelArts.6326",
        Problem.NO_HARDWARE_RIGHT: "ModelArts.6328",
        Problem.NO_AGENCY: (
            "ModelArts.6374 ModelArts.6376 ModelArts.6377 ModelArts.6378 "
            "ModelArts.6379 401/ModelArts.0428"
        ),
        Problem.NO_RIGHTS: (
            "ModelArts.6407 ModelArts.0108 APIG.0302 APIG.0304 APIG.0306 IAM.0002 "
            "IAM.0003 401/ModelArts.0112"
        ),
        Problem.NO_BILLING_RIGHT: "CBC.0151",
        Problem.QUOTA: "ModelArts.0113 ModelArts.0116 ModelArts.0118",
        Problem.ACCOUNT_SUSPENDED: "ModelArts.6201",
        Problem.ACCOUNT_RESTRICTED: "ModelArts.6203",
        Problem.OWNER_ONLY: "ModelArts.6653",
        Problem.PROJECT_UNAVAILABLE: "APIG.0310",
        Problem.ADDRESS_BLOCKED: "APIG.0401 APIG.0402",
        Problem.USER_DISABLED: "IAM.0080",
        Problem.CONSOLE_ONLY: "IAM.0081",
        Problem.SIGN_IN_FORBIDDEN: "IAM.0082",
        Problem.NO_REGION_RIGHTS: "IAM.0083",
        Problem.NO_WORKSPACE_RIGHT: "403/ModelArts.0112",
    },
    Kind.OPERATOR: {
        Problem.INTERNAL_ERROR: "ModelArts.6361",
        Problem.WRONG_ADDRESS: "APIG.0101",
    },
}
_MEANINGS = {
    code: Meaning(kind, message)
    for kind, messages in _CODES.items()
    for message, codes in messages.items()
    for code in codes.split()
}


def meaning_of(status: int, code: str | None) -> Meaning | None:
    """Return the meaning of a code under an HTTP status.

    Args:
        status: HTTP status of the answer.
        code: Upstream's code; ``APIGW.`` (Huawei Cloud) counts as ``APIG.``.

    Returns:
        None for a code that is not documented, or not under this status.
    """
    code = (code or "").replace("APIGW.", "APIG.", 1)
    return _MEANINGS.get(f"{status}/{code}") or _MEANINGS.get(code)
