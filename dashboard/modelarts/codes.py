"""What the documented error codes mean: whose matter it is, in plain words.

Sources: ModelArts API Reference, "Error Codes"; API Gateway User Guide, "Error Codes";
IAM API Reference, "Error Codes". Some codes mean different things under different
HTTP statuses, so those are keyed by both.
"""

from enum import Enum, auto
from typing import NamedTuple


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
    """Kind of a code and the sentence for people."""

    kind: Kind
    sentence: str


_RENEWED = "The cloud did not accept the sign-in; an operator must check clouds.yaml."
_SIGNATURE = (
    "The cloud did not accept the access key or its signature; an operator must check "
    "the key and this server's clock."
)
_PROJECT = (
    "The credentials do not belong to this project; an operator must correct the "
    "project in clouds.yaml."
)
_RIGHTS = (
    "The cloud account may not do this; its administrator must grant the ModelArts "
    "notebook rights."
)
_OBS_KEY = (
    "ModelArts has no valid access key for the object storage; the owner must renew it "
    "in the ModelArts settings of the console."
)
_AGENCY = (
    "ModelArts has no valid authorization for this user; the owner must set it up in "
    "the ModelArts settings of the console."
)
_GIT = "The Git repository of this instance is not usable; check it in the console."
_VALUE = "ModelArts does not accept one of the values that were sent."
_STORAGE = "ModelArts does not accept the storage of this instance; check its path."
_INTERNAL = (
    "ModelArts failed inside; if it goes on, the operator should open a ticket with "
    "the cloud's support."
)
_SOLD_OUT = "This hardware is sold out at the moment; try again later."
_QUOTA = "A quota of the cloud project is exhausted; its administrator can raise it."
_ADDRESS = "The ModelArts address is wrong; an operator must correct the endpoint."
_BLOCKED = (
    "The cloud does not accept requests from this server's address; its administrator "
    "must allow it."
)
_BUSY = "ModelArts is busy and asks to wait."
_SSH_AND_IMAGE = (
    "ModelArts does not accept this setting of the notebook; check its key pair, "
    "image and flavor in the console."
)

_INPUT: dict[str, str] = {
    "ModelArts.6301": "The name is already taken.",
    "ModelArts.6303": "ModelArts cannot sort by that field.",
    "ModelArts.6316": _STORAGE,
    "ModelArts.6317": _STORAGE,
    "ModelArts.6318": "The storage path must end in a slash.",
    "ModelArts.6323": "ModelArts does not offer this flavor; choose another one.",
    "ModelArts.6324": "ModelArts does not support this type of storage.",
    "ModelArts.6330": "The hardware does not fit the work environment.",
    "ModelArts.6331": "The disk size is out of range.",
    "ModelArts.6332": "One of the values has the wrong type.",
    "ModelArts.6334": "The name or description holds a character that is not allowed.",
    "ModelArts.6335": "A value that ModelArts needs is missing.",
    "ModelArts.6336": _VALUE,
    "ModelArts.6341": _GIT,
    "ModelArts.6343": _GIT,
    "ModelArts.6344": _GIT,
    "ModelArts.6345": _GIT,
    "ModelArts.6346": "The auto-stop time would lie in the past; choose a longer one.",
    "ModelArts.6348": "Auto-stop needs a run time when it is switched on.",
    "ModelArts.6349": "The run time must be between 1 and 24 hours.",
    "ModelArts.6358": "The storage path must be a directory, not the whole bucket.",
    "ModelArts.6371": "The bucket must be of the standard storage class.",
    "ModelArts.6400": "ModelArts did not understand the request.",
    "ModelArts.6600": _VALUE,
    "ModelArts.6768": _SSH_AND_IMAGE,
    "ModelArts.6782": _SSH_AND_IMAGE,
    "ModelArts.6789": _SSH_AND_IMAGE,
    "ModelArts.6792": _SSH_AND_IMAGE,
    "ModelArts.6797": _SSH_AND_IMAGE,
    "ModelArts.6870": _SSH_AND_IMAGE,
    "ModelArts.0101": _VALUE,
    "ModelArts.0102": "The workspace does not exist.",
    "ModelArts.0104": _VALUE,
    "ModelArts.0107": _VALUE,
    "ModelArts.4104": "The request is too large.",
    "APIG.0106": "The cloud did not understand the request.",
    "APIG.0602": "The cloud did not understand the request.",
}

_STATE: dict[str, str] = {
    "ModelArts.6304": "The instance must be stopped first.",
    "ModelArts.6305": "The instance is already running.",
    "ModelArts.6306": "The instance is starting; try again when it runs.",
    "ModelArts.6307": "The instance is already stopped.",
    "ModelArts.6308": "The instance is stopping; try again when it has stopped.",
    "ModelArts.6327": "The instance is not running.",
    "ModelArts.6333": (
        "The instance is being restored after a fault; try again in some minutes."
    ),
    "ModelArts.6347": "This cannot be changed in the instance's present state.",
    "ModelArts.6357": (
        "Another operation is under way on this instance, or it already is as asked; "
        "look at its state and try again."
    ),
}

_GONE: dict[str, str] = {
    "ModelArts.6309": "The instance no longer exists.",
    "ModelArts.6404": "The instance no longer exists.",
}

_LATER: dict[str, str] = {
    "ModelArts.6329": _SOLD_OUT,
    "ModelArts.6355": "The resource pool is being prepared; try again in a minute.",
    "ModelArts.6360": "There are not enough free resources now; try again later.",
    "ModelArts.6528": "Disks are sold out at the moment; try again later.",
    "ModelArts.6716": _SOLD_OUT,
    "ModelArts.6100": "ModelArts did not answer in time.",
    "ModelArts.6101": _BUSY,
    "ModelArts.0010": _INTERNAL,
    "ModelArts.6102": _INTERNAL,
    "ModelArts.6200": "ModelArts has no free resources now; try again later.",
    "ModelArts.6699": "ModelArts has trouble with its network; try again later.",
    "APIG.0201": "The cloud's gateway could not pass the request on.",
    "APIG.0202": "The cloud's gateway could not reach ModelArts.",
    "APIG.0203": "ModelArts did not answer the cloud's gateway in time.",
    "APIG.0308": "The cloud has had too many requests and asks to wait.",
    "APIG.0601": _INTERNAL,
    "APIG.0610": "The cloud's gateway could not reach ModelArts.",
    "APIG.0613": "The cloud's sign-in service is unavailable; try again later.",
    "IAM.0006": "The cloud's sign-in service failed inside; try again later.",
    "IAM.0012": "The cloud's sign-in service has had too many requests.",
}

_CREDENTIALS: dict[str, str] = {
    "ModelArts.0201": _RENEWED,
    "ModelArts.0202": _RENEWED,
    "ModelArts.0205": _RENEWED,
    "ModelArts.0207": _PROJECT,
    "ModelArts.0208": _RENEWED,
    "ModelArts.0212": _PROJECT,
    "ModelArts.6401": _RENEWED,
    "ModelArts.6608": _RENEWED,
    "ModelArts.6620": _RENEWED,
    "APIG.0301": _RENEWED,
    "APIG.0303": _SIGNATURE,
    "APIG.0305": _SIGNATURE,
    "APIG.0307": _RENEWED,
    "IAM.0001": "The cloud's sign-in service does not know these credentials.",
    "IAM.0004": (
        "The cloud's sign-in service does not know the user, domain or project; an "
        "operator must check clouds.yaml."
    ),
    "IAM.0061": (
        "The cloud user is locked after wrong passwords; wait, and have an operator "
        "check the password in clouds.yaml."
    ),
    "IAM.0062": "The password is wrong; an operator must correct it in clouds.yaml.",
    "IAM.0066": _RENEWED,
    "IAM.0067": _RENEWED,
}

_PERMISSION: dict[str, str] = {
    "ModelArts.6302": "The project has as many instances as it may; delete one first.",
    "ModelArts.6319": _OBS_KEY,
    "ModelArts.6320": _OBS_KEY,
    "ModelArts.6326": (
        "The instance is frozen because the account is in arrears; the account's owner "
        "must settle the bill."
    ),
    "ModelArts.6328": "The account may not use this hardware.",
    "ModelArts.6350": _OBS_KEY,
    "ModelArts.6353": _OBS_KEY,
    "ModelArts.6354": _OBS_KEY,
    "ModelArts.6374": _AGENCY,
    "ModelArts.6376": _AGENCY,
    "ModelArts.6377": _AGENCY,
    "ModelArts.6378": _AGENCY,
    "ModelArts.6379": _AGENCY,
    "ModelArts.6407": _RIGHTS,
    "ModelArts.0108": _RIGHTS,
    "ModelArts.0113": _QUOTA,
    "ModelArts.0116": _QUOTA,
    "ModelArts.0118": _QUOTA,
    "ModelArts.6201": "The cloud account is suspended; its owner must mend that.",
    "ModelArts.6203": "The cloud account is restricted; its owner must mend that.",
    "ModelArts.6653": "Only the owner of the project may do this.",
    "APIG.0302": _RIGHTS,
    "APIG.0304": _RIGHTS,
    "APIG.0306": _RIGHTS,
    "APIG.0310": "The cloud project is unavailable; its administrator must mend that.",
    "APIG.0401": _BLOCKED,
    "APIG.0402": _BLOCKED,
    "IAM.0002": _RIGHTS,
    "IAM.0003": _RIGHTS,
    "IAM.0080": "The cloud user is disabled; its administrator must enable it.",
    "IAM.0081": "The cloud user is for the console only; it needs API access.",
    "IAM.0082": "The cloud user may not sign in here; its administrator must allow it.",
    "IAM.0083": "The cloud user has no rights in this region; ask its administrator.",
}

_OPERATOR: dict[str, str] = {
    "ModelArts.6361": _INTERNAL,
    "APIG.0101": _ADDRESS,
}

_BY_CODE: dict[str, Meaning] = {
    code: Meaning(kind, sentence)
    for kind, table in (
        (Kind.INPUT, _INPUT),
        (Kind.STATE, _STATE),
        (Kind.GONE, _GONE),
        (Kind.LATER, _LATER),
        (Kind.CREDENTIALS, _CREDENTIALS),
        (Kind.PERMISSION, _PERMISSION),
        (Kind.OPERATOR, _OPERATOR),
    )
    for code, sentence in table.items()
}

_BY_STATUS: dict[tuple[int, str], Meaning] = {
    (400, "APIG.0201"): Meaning(
        Kind.INPUT, "The cloud did not understand the request."
    ),
    (413, "APIG.0201"): Meaning(Kind.INPUT, "The request is too large."),
    (414, "APIG.0201"): Meaning(Kind.INPUT, "The request is too large."),
    (494, "APIG.0201"): Meaning(Kind.INPUT, "The request is too large."),
    (400, "ModelArts.0204"): Meaning(Kind.CREDENTIALS, _PROJECT),
    (400, "ModelArts.0210"): Meaning(Kind.CREDENTIALS, _PROJECT),
    (401, "ModelArts.0112"): Meaning(Kind.PERMISSION, _RIGHTS),
    (401, "ModelArts.0203"): Meaning(Kind.CREDENTIALS, _RENEWED),
    (401, "ModelArts.0204"): Meaning(Kind.CREDENTIALS, _RENEWED),
    (401, "ModelArts.0206"): Meaning(Kind.CREDENTIALS, _RENEWED),
    (401, "ModelArts.0428"): Meaning(Kind.PERMISSION, _AGENCY),
    (403, "ModelArts.0112"): Meaning(
        Kind.PERMISSION,
        "The account may not use this workspace; its administrator can allow it.",
    ),
    (403, "ModelArts.0203"): Meaning(Kind.CREDENTIALS, _RENEWED),
    (403, "ModelArts.0206"): Meaning(Kind.CREDENTIALS, _SIGNATURE),
    (403, "ModelArts.0210"): Meaning(Kind.CREDENTIALS, _PROJECT),
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
