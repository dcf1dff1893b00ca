"""What the documented error codes mean: whose matter it is, in plain words.

Sources: ModelArts API Reference, "Error Codes"; API Gateway User Guide, "Error Codes";
IAM API Reference, "Error Codes". Some codes mean different things under different
HTTP statuses, so those are keyed by both.
"""

from enum import Enum, auto
from typing import NamedTuple

from dashboard.modelarts import messages


class Kind(Enum):
    """Whose matter a refusal is."""

    INPUT = auto()  # the person who typed the values
    STATE = auto()  # the instance is elsewhere in its life
    GONE = auto()  # the instance does not exist
    LATER = auto()  # nobody's: resources, load, a transient fault
    CREDENTIALS = auto()  # token, key or project of ours
    PERMISSION = auto()  # rights, quotas and bills of the account
    OPERATOR = auto()  # configuration here, or the vendor


class Meaning(NamedTuple):
    """Whose matter a code is, and what it says to people: one of ``messages``."""

    kind: Kind
    message: str


_INPUT: dict[str, str] = {
    "ModelArts.6301": messages.NAME_TAKEN,
    "ModelArts.6303": messages.NOT_SORTABLE,
    "ModelArts.6316": messages.BAD_STORAGE,
    "ModelArts.6317": messages.BAD_STORAGE,
    "ModelArts.6318": messages.STORAGE_SLASH,
    "ModelArts.6323": messages.BAD_FLAVOR,
    "ModelArts.6324": messages.STORAGE_TYPE,
    "ModelArts.6330": messages.HARDWARE_MISMATCH,
    "ModelArts.6331": messages.DISK_SIZE,
    "ModelArts.6332": messages.WRONG_TYPE,
    "ModelArts.6334": messages.BAD_CHARACTER,
    "ModelArts.6335": messages.VALUE_MISSING,
    "ModelArts.6336": messages.BAD_VALUE,
    "ModelArts.6341": messages.BAD_GIT,
    "ModelArts.6343": messages.BAD_GIT,
    "ModelArts.6344": messages.BAD_GIT,
    "ModelArts.6345": messages.BAD_GIT,
    "ModelArts.6346": messages.STOP_IN_PAST,
    "ModelArts.6348": messages.RUN_TIME_MISSING,
    "ModelArts.6349": messages.RUN_TIME_RANGE,
    "ModelArts.6358": messages.STORAGE_DIRECTORY,
    "ModelArts.6371": messages.STORAGE_CLASS,
    "ModelArts.6400": messages.NOT_UNDERSTOOD,
    "ModelArts.6600": messages.BAD_VALUE,
    "ModelArts.6768": messages.BAD_SETTING,
    "ModelArts.6782": messages.BAD_SETTING,
    "ModelArts.6789": messages.BAD_SETTING,
    "ModelArts.6792": messages.BAD_SETTING,
    "ModelArts.6797": messages.BAD_SETTING,
    "ModelArts.6870": messages.BAD_SETTING,
    "ModelArts.0101": messages.BAD_VALUE,
    "ModelArts.0102": messages.NO_WORKSPACE,
    "ModelArts.0104": messages.BAD_VALUE,
    "ModelArts.0107": messages.BAD_VALUE,
    "ModelArts.4104": messages.REQUEST_TOO_LARGE,
    "APIG.0106": messages.CLOUD_DID_NOT_UNDERSTAND,
    "APIG.0602": messages.CLOUD_DID_NOT_UNDERSTAND,
}

_STATE: dict[str, str] = {
    "ModelArts.6304": messages.MUST_BE_STOPPED,
    "ModelArts.6305": messages.ALREADY_RUNNING,
    "ModelArts.6306": messages.STILL_STARTING,
    "ModelArts.6307": messages.ALREADY_STOPPED,
    "ModelArts.6308": messages.STILL_STOPPING,
    "ModelArts.6327": messages.NOT_RUNNING,
    "ModelArts.6333": messages.RESTORING,
    "ModelArts.6347": messages.WRONG_STATE,
    "ModelArts.6357": messages.OTHER_OPERATION,
}

_GONE: dict[str, str] = {
    "ModelArts.6309": messages.GONE,
    "ModelArts.6404": messages.GONE,
}

_LATER: dict[str, str] = {
    "ModelArts.6329": messages.SOLD_OUT,
    "ModelArts.6355": messages.POOL_NOT_READY,
    "ModelArts.6360": messages.FEW_RESOURCES,
    "ModelArts.6528": messages.DISKS_SOLD_OUT,
    "ModelArts.6716": messages.SOLD_OUT,
    "ModelArts.6100": messages.TIMED_OUT,
    "ModelArts.6101": messages.BUSY,
    "ModelArts.0010": messages.INTERNAL_ERROR,
    "ModelArts.6102": messages.INTERNAL_ERROR,
    "ModelArts.6200": messages.NO_RESOURCES,
    "ModelArts.6699": messages.NETWORK_ERROR,
    "APIG.0201": messages.GATEWAY_FAILED,
    "APIG.0202": messages.GATEWAY_UNREACHABLE,
    "APIG.0203": messages.GATEWAY_TIMED_OUT,
    "APIG.0308": messages.TOO_MANY_REQUESTS,
    "APIG.0601": messages.INTERNAL_ERROR,
    "APIG.0610": messages.GATEWAY_UNREACHABLE,
    "APIG.0613": messages.SIGN_IN_UNAVAILABLE,
    "IAM.0006": messages.SIGN_IN_INTERNAL_ERROR,
    "IAM.0012": messages.SIGN_IN_TOO_MANY_REQUESTS,
}

_CREDENTIALS: dict[str, str] = {
    "ModelArts.0201": messages.NOT_SIGNED_IN,
    "ModelArts.0202": messages.NOT_SIGNED_IN,
    "ModelArts.0205": messages.NOT_SIGNED_IN,
    "ModelArts.0207": messages.WRONG_PROJECT,
    "ModelArts.0208": messages.NOT_SIGNED_IN,
    "ModelArts.0212": messages.WRONG_PROJECT,
    "ModelArts.6401": messages.NOT_SIGNED_IN,
    "ModelArts.6608": messages.NOT_SIGNED_IN,
    "ModelArts.6620": messages.NOT_SIGNED_IN,
    "APIG.0301": messages.NOT_SIGNED_IN,
    "APIG.0303": messages.BAD_SIGNATURE,
    "APIG.0305": messages.BAD_SIGNATURE,
    "APIG.0307": messages.NOT_SIGNED_IN,
    "IAM.0001": messages.UNKNOWN_CREDENTIALS,
    "IAM.0004": messages.UNKNOWN_USER,
    "IAM.0061": messages.USER_LOCKED,
    "IAM.0062": messages.WRONG_PASSWORD,
    "IAM.0066": messages.NOT_SIGNED_IN,
    "IAM.0067": messages.NOT_SIGNED_IN,
}

_PERMISSION: dict[str, str] = {
    "ModelArts.6302": messages.TOO_MANY_INSTANCES,
    "ModelArts.6319": messages.STORAGE_KEY,
    "ModelArts.6320": messages.STORAGE_KEY,
    "ModelArts.6326": messages.IN_ARREARS,
    "ModelArts.6328": messages.NO_HARDWARE_RIGHT,
    "ModelArts.6350": messages.STORAGE_KEY,
    "ModelArts.6353": messages.STORAGE_KEY,
    "ModelArts.6354": messages.STORAGE_KEY,
    "ModelArts.6374": messages.NO_AGENCY,
    "ModelArts.6376": messages.NO_AGENCY,
    "ModelArts.6377": messages.NO_AGENCY,
    "ModelArts.6378": messages.NO_AGENCY,
    "ModelArts.6379": messages.NO_AGENCY,
    "ModelArts.6407": messages.NO_RIGHTS,
    "ModelArts.0108": messages.NO_RIGHTS,
    "ModelArts.0113": messages.QUOTA,
    "ModelArts.0116": messages.QUOTA,
    "ModelArts.0118": messages.QUOTA,
    "ModelArts.6201": messages.ACCOUNT_SUSPENDED,
    "ModelArts.6203": messages.ACCOUNT_RESTRICTED,
    "ModelArts.6653": messages.OWNER_ONLY,
    "APIG.0302": messages.NO_RIGHTS,
    "APIG.0304": messages.NO_RIGHTS,
    "APIG.0306": messages.NO_RIGHTS,
    "APIG.0310": messages.PROJECT_UNAVAILABLE,
    "APIG.0401": messages.ADDRESS_BLOCKED,
    "APIG.0402": messages.ADDRESS_BLOCKED,
    "IAM.0002": messages.NO_RIGHTS,
    "IAM.0003": messages.NO_RIGHTS,
    "IAM.0080": messages.USER_DISABLED,
    "IAM.0081": messages.CONSOLE_ONLY,
    "IAM.0082": messages.SIGN_IN_FORBIDDEN,
    "IAM.0083": messages.NO_REGION_RIGHTS,
}

_OPERATOR: dict[str, str] = {
    "ModelArts.6361": messages.INTERNAL_ERROR,
    "APIG.0101": messages.WRONG_ADDRESS,
}

_BY_CODE: dict[str, Meaning] = {
    code: Meaning(kind, message)
    for kind, table in (
        (Kind.INPUT, _INPUT),
        (Kind.STATE, _STATE),
        (Kind.GONE, _GONE),
        (Kind.LATER, _LATER),
        (Kind.CREDENTIALS, _CREDENTIALS),
        (Kind.PERMISSION, _PERMISSION),
        (Kind.OPERATOR, _OPERATOR),
    )
    for code, message in table.items()
}

_BY_STATUS: dict[tuple[int, str], Meaning] = {
    (400, "APIG.0201"): Meaning(Kind.INPUT, messages.CLOUD_DID_NOT_UNDERSTAND),
    (413, "APIG.0201"): Meaning(Kind.INPUT, messages.REQUEST_TOO_LARGE),
    (414, "APIG.0201"): Meaning(Kind.INPUT, messages.REQUEST_TOO_LARGE),
    (494, "APIG.0201"): Meaning(Kind.INPUT, messages.REQUEST_TOO_LARGE),
    (400, "ModelArts.0204"): Meaning(Kind.CREDENTIALS, messages.WRONG_PROJECT),
    (400, "ModelArts.0210"): Meaning(Kind.CREDENTIALS, messages.WRONG_PROJECT),
    (401, "ModelArts.0112"): Meaning(Kind.PERMISSION, messages.NO_RIGHTS),
    (401, "ModelArts.0203"): Meaning(Kind.CREDENTIALS, messages.NOT_SIGNED_IN),
    (401, "ModelArts.0204"): Meaning(Kind.CREDENTIALS, messages.NOT_SIGNED_IN),
    (401, "ModelArts.0206"): Meaning(Kind.CREDENTIALS, messages.NOT_SIGNED_IN),
    (401, "ModelArts.0428"): Meaning(Kind.PERMISSION, messages.NO_AGENCY),
    (403, "ModelArts.0112"): Meaning(
        Kind.PERMISSION,
        messages.NO_WORKSPACE_RIGHT,
    ),
    (403, "ModelArts.0203"): Meaning(Kind.CREDENTIALS, messages.NOT_SIGNED_IN),
    (403, "ModelArts.0206"): Meaning(Kind.CREDENTIALS, messages.BAD_SIGNATURE),
    (403, "ModelArts.0210"): Meaning(Kind.CREDENTIALS, messages.WRONG_PROJECT),
}


def meaning_of(status: int, code: str | None) -> Meaning | None:
    """What a code means under an HTTP status.

    Args:
        status: HTTP status of the answer.
        code: Upstream code; ``APIGW.`` (Huawei Cloud) counts as ``APIG.``.

    Returns:
        None for a code that is not documented, or not under this status.
    """
    if code is None:
        return None
    code = code.replace("APIGW.", "APIG.", 1)
    return _BY_STATUS.get((status, code)) or _BY_CODE.get(code)
