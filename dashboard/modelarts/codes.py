"""What the documented error codes mean: whose matter it is, in plain words.

Sources: ModelArts API Reference, "Error Codes"; API Gateway User Guide, "Error Codes";
IAM API Reference, "Error Codes". Some codes mean different things under different
HTTP statuses, so those are keyed by both.
"""

from enum import Enum, auto
from typing import NamedTuple

from .words import gettext_noop


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


_RENEWED = gettext_noop(
    "The cloud did not accept the sign-in; an operator must check clouds.yaml."
)
_SIGNATURE = gettext_noop(
    "The cloud did not accept the access key or its signature; an operator must check "
    "the key and this server's clock."
)
_PROJECT = gettext_noop(
    "The credentials do not belong to this project; an operator must correct the "
    "project in clouds.yaml."
)
_RIGHTS = gettext_noop(
    "The cloud account may not do this; its administrator must grant the ModelArts "
    "notebook rights."
)
_OBS_KEY = gettext_noop(
    "ModelArts has no valid access key for the object storage; the owner must renew it "
    "in the ModelArts settings of the console."
)
_AGENCY = gettext_noop(
    "ModelArts has no valid authorization for this user; the owner must set it up in "
    "the ModelArts settings of the console."
)
_GIT = gettext_noop(
    "The Git repository of this instance is not usable; check it in the console."
)
_VALUE = gettext_noop("ModelArts does not accept one of the values that were sent.")
_STORAGE = gettext_noop(
    "ModelArts does not accept the storage of this instance; check its path."
)
_INTERNAL = gettext_noop(
    "ModelArts failed inside; if it goes on, the operator should open a ticket with "
    "the cloud's support."
)
_SOLD_OUT = gettext_noop("This hardware is sold out at the moment.")
_QUOTA = gettext_noop(
    "A quota of the cloud project is exhausted; its administrator can raise it."
)
_ADDRESS = gettext_noop(
    "The ModelArts address is wrong; an operator must correct the endpoint."
)
_BLOCKED = gettext_noop(
    "The cloud does not accept requests from this server's address; its administrator "
    "must allow it."
)
_BUSY = gettext_noop("ModelArts is busy and asks to wait.")
_SSH_AND_IMAGE = gettext_noop(
    "ModelArts does not accept this setting of the notebook; check its key pair, "
    "image and flavor in the console."
)

_INPUT: dict[str, str] = {
    "ModelArts.6301": gettext_noop("The name is already taken."),
    "ModelArts.6303": gettext_noop("ModelArts cannot sort by that field."),
    "ModelArts.6316": _STORAGE,
    "ModelArts.6317": _STORAGE,
    "ModelArts.6318": gettext_noop("The storage path must end in a slash."),
    "ModelArts.6323": gettext_noop(
        "ModelArts does not offer this flavor; choose another one."
    ),
    "ModelArts.6324": gettext_noop("ModelArts does not support this type of storage."),
    "ModelArts.6330": gettext_noop("The hardware does not fit the work environment."),
    "ModelArts.6331": gettext_noop("The disk size is out of range."),
    "ModelArts.6332": gettext_noop("One of the values has the wrong type."),
    "ModelArts.6334": gettext_noop(
        "The name or description holds a character that is not allowed."
    ),
    "ModelArts.6335": gettext_noop("A value that ModelArts needs is missing."),
    "ModelArts.6336": _VALUE,
    "ModelArts.6341": _GIT,
    "ModelArts.6343": _GIT,
    "ModelArts.6344": _GIT,
    "ModelArts.6345": _GIT,
    "ModelArts.6346": gettext_noop(
        "The auto-stop time would lie in the past; choose a longer one."
    ),
    "ModelArts.6348": gettext_noop(
        "Auto-stop needs a run time when it is switched on."
    ),
    "ModelArts.6349": gettext_noop("The run time must be between 1 and 24 hours."),
    "ModelArts.6358": gettext_noop(
        "The storage path must be a directory, not the whole bucket."
    ),
    "ModelArts.6371": gettext_noop("The bucket must be of the standard storage class."),
    "ModelArts.6400": gettext_noop("ModelArts did not understand the request."),
    "ModelArts.6600": _VALUE,
    "ModelArts.6768": _SSH_AND_IMAGE,
    "ModelArts.6782": _SSH_AND_IMAGE,
    "ModelArts.6789": _SSH_AND_IMAGE,
    "ModelArts.6792": _SSH_AND_IMAGE,
    "ModelArts.6797": _SSH_AND_IMAGE,
    "ModelArts.6870": _SSH_AND_IMAGE,
    "ModelArts.0101": _VALUE,
    "ModelArts.0102": gettext_noop("The workspace does not exist."),
    "ModelArts.0104": _VALUE,
    "ModelArts.0107": _VALUE,
    "ModelArts.4104": gettext_noop("The request is too large."),
    "APIG.0106": gettext_noop("The cloud did not understand the request."),
    "APIG.0602": gettext_noop("The cloud did not understand the request."),
}

_STATE: dict[str, str] = {
    "ModelArts.6304": gettext_noop("The instance must be stopped first."),
    "ModelArts.6305": gettext_noop("The instance is already running."),
    "ModelArts.6306": gettext_noop("The instance is starting; try again when it runs."),
    "ModelArts.6307": gettext_noop("The instance is already stopped."),
    "ModelArts.6308": gettext_noop(
        "The instance is stopping; try again when it has stopped."
    ),
    "ModelArts.6327": gettext_noop("The instance is not running."),
    "ModelArts.6333": (
        gettext_noop(
            "The instance is being restored after a fault; try again in some minutes."
        )
    ),
    "ModelArts.6347": gettext_noop(
        "This cannot be changed in the instance's present state."
    ),
    "ModelArts.6357": (
        gettext_noop(
            "Another operation is under way on this instance, or it already is "
            "as asked; "
            "look at its state and try again."
        )
    ),
}

_GONE: dict[str, str] = {
    "ModelArts.6309": gettext_noop("The instance no longer exists."),
    "ModelArts.6404": gettext_noop("The instance no longer exists."),
}

_LATER: dict[str, str] = {
    "ModelArts.6329": _SOLD_OUT,
    "ModelArts.6355": gettext_noop("The resource pool is being prepared."),
    "ModelArts.6360": gettext_noop("There are not enough free resources now."),
    "ModelArts.6528": gettext_noop("Disks are sold out at the moment."),
    "ModelArts.6716": _SOLD_OUT,
    "ModelArts.6100": gettext_noop("ModelArts did not answer in time."),
    "ModelArts.6101": _BUSY,
    "ModelArts.0010": _INTERNAL,
    "ModelArts.6102": _INTERNAL,
    "ModelArts.6200": gettext_noop("ModelArts has no free resources now."),
    "ModelArts.6699": gettext_noop("ModelArts has trouble with its network."),
    "APIG.0201": gettext_noop("The cloud's gateway could not pass the request on."),
    "APIG.0202": gettext_noop("The cloud's gateway could not reach ModelArts."),
    "APIG.0203": gettext_noop("ModelArts did not answer the cloud's gateway in time."),
    "APIG.0308": gettext_noop("The cloud has had too many requests and asks to wait."),
    "APIG.0601": _INTERNAL,
    "APIG.0610": gettext_noop("The cloud's gateway could not reach ModelArts."),
    "APIG.0613": gettext_noop("The cloud's sign-in service is unavailable."),
    "IAM.0006": gettext_noop("The cloud's sign-in service failed inside."),
    "IAM.0012": gettext_noop("The cloud's sign-in service has had too many requests."),
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
    "IAM.0001": gettext_noop(
        "The cloud's sign-in service does not know these credentials."
    ),
    "IAM.0004": (
        gettext_noop(
            "The cloud's sign-in service does not know the user, domain or project; an "
            "operator must check clouds.yaml."
        )
    ),
    "IAM.0061": (
        gettext_noop(
            "The cloud user is locked after wrong passwords; wait, and have an "
            "operator "
            "check the password in clouds.yaml."
        )
    ),
    "IAM.0062": gettext_noop(
        "The password is wrong; an operator must correct it in clouds.yaml."
    ),
    "IAM.0066": _RENEWED,
    "IAM.0067": _RENEWED,
}

_PERMISSION: dict[str, str] = {
    "ModelArts.6302": gettext_noop(
        "The project has as many instances as it may; delete one first."
    ),
    "ModelArts.6319": _OBS_KEY,
    "ModelArts.6320": _OBS_KEY,
    "ModelArts.6326": (
        gettext_noop(
            "The instance is frozen because the account is in arrears; the "
            "account's owner "
            "must settle the bill."
        )
    ),
    "ModelArts.6328": gettext_noop("The account may not use this hardware."),
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
    "ModelArts.6201": gettext_noop(
        "The cloud account is suspended; its owner must mend that."
    ),
    "ModelArts.6203": gettext_noop(
        "The cloud account is restricted; its owner must mend that."
    ),
    "ModelArts.6653": gettext_noop("Only the owner of the project may do this."),
    "APIG.0302": _RIGHTS,
    "APIG.0304": _RIGHTS,
    "APIG.0306": _RIGHTS,
    "APIG.0310": gettext_noop(
        "The cloud project is unavailable; its administrator must mend that."
    ),
    "APIG.0401": _BLOCKED,
    "APIG.0402": _BLOCKED,
    "IAM.0002": _RIGHTS,
    "IAM.0003": _RIGHTS,
    "IAM.0080": gettext_noop(
        "The cloud user is disabled; its administrator must enable it."
    ),
    "IAM.0081": gettext_noop(
        "The cloud user is for the console only; it needs API access."
    ),
    "IAM.0082": gettext_noop(
        "The cloud user may not sign in here; its administrator must allow it."
    ),
    "IAM.0083": gettext_noop(
        "The cloud user has no rights in this region; ask its administrator."
    ),
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
        Kind.INPUT, gettext_noop("The cloud did not understand the request.")
    ),
    (413, "APIG.0201"): Meaning(Kind.INPUT, gettext_noop("The request is too large.")),
    (414, "APIG.0201"): Meaning(Kind.INPUT, gettext_noop("The request is too large.")),
    (494, "APIG.0201"): Meaning(Kind.INPUT, gettext_noop("The request is too large.")),
    (400, "ModelArts.0204"): Meaning(Kind.CREDENTIALS, _PROJECT),
    (400, "ModelArts.0210"): Meaning(Kind.CREDENTIALS, _PROJECT),
    (401, "ModelArts.0112"): Meaning(Kind.PERMISSION, _RIGHTS),
    (401, "ModelArts.0203"): Meaning(Kind.CREDENTIALS, _RENEWED),
    (401, "ModelArts.0204"): Meaning(Kind.CREDENTIALS, _RENEWED),
    (401, "ModelArts.0206"): Meaning(Kind.CREDENTIALS, _RENEWED),
    (401, "ModelArts.0428"): Meaning(Kind.PERMISSION, _AGENCY),
    (403, "ModelArts.0112"): Meaning(
        Kind.PERMISSION,
        gettext_noop(
            "The account may not use this workspace; its administrator can allow it."
        ),
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
