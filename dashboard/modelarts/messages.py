"""What the client says to people: codes and their English texts.

The client knows no language. An error carries a code and values; ``instances.messages``
puts them into the reader's language, and logs and commands take the English from here.
"""

from collections.abc import Mapping
from typing import NamedTuple

TEMPLATES: dict[str, str] = {}
"""English by code, with ``%(name)s`` for each value."""


class Text(NamedTuple):
    """One message with its values; as a string it is English.

    Attributes:
        code: A key of ``TEMPLATES``.
        params: A value for each name in the template.
    """

    code: str
    params: Mapping[str, object] = {}

    def __str__(self) -> str:
        """In English; the code itself where the table lacks it."""
        english = TEMPLATES.get(self.code)
        return self.code if english is None else english % self.params


def _define(name: str, english: str) -> str:
    code = f"modelarts.{name}"
    if code in TEMPLATES:
        raise ValueError(f"The message {code} is defined twice.")
    TEMPLATES[code] = english
    return code


# The values that were sent.
NAME_TAKEN = _define("name_taken", "The name is already taken.")
NOT_SORTABLE = _define("not_sortable", "ModelArts cannot sort by that field.")
BAD_STORAGE = _define(
    "bad_storage",
    "ModelArts does not accept the storage of this instance; check its path.",
)
STORAGE_SLASH = _define("storage_slash", "The storage path must end in a slash.")
STORAGE_DIRECTORY = _define(
    "storage_directory", "The storage path must be a directory, not the whole bucket."
)
STORAGE_TYPE = _define(
    "storage_type", "ModelArts does not support this type of storage."
)
STORAGE_CLASS = _define(
    "storage_class", "The bucket must be of the standard storage class."
)
BAD_FLAVOR = _define(
    "bad_flavor", "ModelArts does not offer this flavor; choose another one."
)
HARDWARE_MISMATCH = _define(
    "hardware_mismatch", "The hardware does not fit the work environment."
)
DISK_SIZE = _define("disk_size", "The disk size is out of range.")
WRONG_TYPE = _define("wrong_type", "One of the values has the wrong type.")
BAD_CHARACTER = _define(
    "bad_character", "The name or description contains a character that is not allowed."
)
VALUE_MISSING = _define("value_missing", "A value that ModelArts needs is missing.")
BAD_VALUE = _define(
    "bad_value", "ModelArts does not accept one of the values that were sent."
)
BAD_GIT = _define(
    "bad_git",
    "The Git repository of this instance is not usable; check it in the console.",
)
STOP_IN_PAST = _define(
    "stop_in_past", "The auto-stop time would be in the past; choose a longer one."
)
RUN_TIME_MISSING = _define(
    "run_time_missing", "Auto-stop needs a run time when it is switched on."
)
RUN_TIME_RANGE = _define(
    "run_time_range", "The run time must be between 1 and 24 hours."
)
BAD_SETTING = _define(
    "bad_setting",
    "ModelArts does not accept this setting of the notebook; check its key pair, image "
    "and flavor in the console.",
)
NO_WORKSPACE = _define("no_workspace", "The workspace does not exist.")
REQUEST_TOO_LARGE = _define("request_too_large", "The request is too large.")
NOT_UNDERSTOOD = _define("not_understood", "ModelArts did not understand the request.")
CLOUD_DID_NOT_UNDERSTAND = _define(
    "cloud_did_not_understand", "The cloud did not understand the request."
)
BAD_ID = _define("bad_id", "This is not a valid instance ID.")
DESCRIPTION_TOO_LONG = _define(
    "description_too_long",
    "The description has %(length)s characters; at most %(most)s are allowed.",
)
DESCRIPTION_FORBIDDEN = _define(
    "description_forbidden", "A description cannot contain %(marks)s."
)
DESCRIPTION_INVISIBLE = _define(
    "description_invisible",
    "The description contains invisible control characters (%(names)s); remove them.",
)

# The state of the instance.
MUST_BE_STOPPED = _define("must_be_stopped", "The instance must be stopped first.")
ALREADY_RUNNING = _define("already_running", "The instance is already running.")
STILL_STARTING = _define(
    "still_starting", "The instance is starting; try again when it is running."
)
ALREADY_STOPPED = _define("already_stopped", "The instance is already stopped.")
STILL_STOPPING = _define(
    "still_stopping", "The instance is stopping; try again when it has stopped."
)
NOT_RUNNING = _define("not_running", "The instance is not running.")
RESTORING = _define(
    "restoring",
    "The instance is being restored after a fault; try again in a few minutes.",
)
WRONG_STATE = _define(
    "wrong_state", "This cannot be changed in the instance's current state."
)
OTHER_OPERATION = _define(
    "other_operation",
    "Another operation is in progress on this instance, or nothing needs to change; "
    "check its status and try again.",
)
STATE_CONFLICT = _define(
    "state_conflict", "This conflicts with the current state of the instance."
)
GONE = _define("gone", "The instance no longer exists.")

# Resources, load and faults of the cloud.
SOLD_OUT = _define("sold_out", "This hardware is sold out at the moment.")
POOL_NOT_READY = _define("pool_not_ready", "The resource pool is being prepared.")
FEW_RESOURCES = _define(
    "few_resources", "There are not enough free resources at the moment."
)
NO_RESOURCES = _define("no_resources", "ModelArts has no free resources at the moment.")
DISKS_SOLD_OUT = _define("disks_sold_out", "Disks are sold out at the moment.")
TIMED_OUT = _define("timed_out", "ModelArts did not answer in time.")
BUSY = _define("busy", "ModelArts is busy and asks Curfew to wait.")
INTERNAL_ERROR = _define(
    "internal_error",
    "ModelArts had an internal error; if it persists, the operator should contact the "
    "cloud's support.",
)
NETWORK_ERROR = _define("network_error", "ModelArts had a network error.")
SERVER_ERROR = _define(
    "server_error", "ModelArts has a temporary problem; Curfew tries again."
)
GATEWAY_FAILED = _define(
    "gateway_failed", "The cloud's gateway could not forward the request."
)
GATEWAY_UNREACHABLE = _define(
    "gateway_unreachable", "The cloud's gateway could not reach ModelArts."
)
GATEWAY_TIMED_OUT = _define(
    "gateway_timed_out", "ModelArts did not answer the cloud's gateway in time."
)
TOO_MANY_REQUESTS = _define(
    "too_many_requests", "The cloud got too many requests and asks Curfew to wait."
)
OWN_RATE_LIMIT = _define(
    "own_rate_limit",
    "Curfew has reached its request limit for this cloud and has to wait.",
)
UNREADABLE = _define("unreadable", "ModelArts sent a response that cannot be read.")
OVERSIZED = _define("oversized", "ModelArts sent a response that is far too large.")
COMPRESSED = _define("compressed", "ModelArts sent an unexpected, compressed response.")
CONNECTION_LOST = _define(
    "connection_lost", "The connection to ModelArts broke before its response ended."
)

# Credentials, rights and bills.
NOT_SIGNED_IN = _define(
    "not_signed_in",
    "The cloud did not accept the sign-in; an operator must check clouds.yaml.",
)
CREDENTIALS_REFUSED = _define(
    "credentials_refused",
    "The cloud refuses our credentials; an operator must check clouds.yaml.",
)
BAD_SIGNATURE = _define(
    "bad_signature",
    "The cloud did not accept the access key or its signature; an operator must check "
    "the key and this server's clock.",
)
WRONG_PROJECT = _define(
    "wrong_project",
    "The credentials do not belong to this project; an operator must correct the "
    "project in clouds.yaml.",
)
UNKNOWN_CREDENTIALS = _define(
    "unknown_credentials",
    "The cloud's sign-in service does not know these credentials.",
)
UNKNOWN_USER = _define(
    "unknown_user",
    "The cloud's sign-in service does not know the user, domain or project; an "
    "operator must check clouds.yaml.",
)
USER_LOCKED = _define(
    "user_locked",
    "The cloud user is locked after wrong passwords; wait, and have an operator check "
    "the password in clouds.yaml.",
)
WRONG_PASSWORD = _define(
    "wrong_password",
    "The password is wrong; an operator must correct it in clouds.yaml.",
)
NO_RIGHTS = _define(
    "no_rights",
    "The cloud account may not do this; its administrator must grant the ModelArts "
    "notebook rights.",
)
FORBIDDEN = _define(
    "forbidden",
    "The cloud account may not do this; its administrator can grant the rights.",
)
NO_HARDWARE_RIGHT = _define(
    "no_hardware_right", "The account may not use this hardware."
)
NO_WORKSPACE_RIGHT = _define(
    "no_workspace_right",
    "The account may not use this workspace; its administrator can allow it.",
)
OWNER_ONLY = _define("owner_only", "Only the owner of the project may do this.")
STORAGE_KEY = _define(
    "storage_key",
    "ModelArts has no valid access key for the object storage; the owner must renew it "
    "in the ModelArts settings of the console.",
)
NO_AGENCY = _define(
    "no_agency",
    "ModelArts has no valid authorization for this user; the owner must set it up in "
    "the ModelArts settings of the console.",
)
TOO_MANY_INSTANCES = _define(
    "too_many_instances",
    "The project has reached its limit of instances; delete one first.",
)
QUOTA = _define(
    "quota",
    "A quota of the cloud project is exhausted; its administrator can raise it.",
)
IN_ARREARS = _define(
    "in_arrears",
    "The instance is frozen because the account is in arrears; the account's owner "
    "must settle the bill.",
)
ACCOUNT_SUSPENDED = _define(
    "account_suspended", "The cloud account is suspended; its owner must resolve this."
)
ACCOUNT_RESTRICTED = _define(
    "account_restricted",
    "The cloud account is restricted; its owner must resolve this.",
)
PROJECT_UNAVAILABLE = _define(
    "project_unavailable",
    "The cloud project is unavailable; its administrator must resolve this.",
)
ADDRESS_BLOCKED = _define(
    "address_blocked",
    "The cloud does not accept requests from this server's address; its administrator "
    "must allow it.",
)
USER_DISABLED = _define(
    "user_disabled", "The cloud user is disabled; its administrator must enable it."
)
CONSOLE_ONLY = _define(
    "console_only", "The cloud user is for the console only; it needs API access."
)
SIGN_IN_FORBIDDEN = _define(
    "sign_in_forbidden",
    "The cloud user may not sign in here; its administrator must allow it.",
)
NO_REGION_RIGHTS = _define(
    "no_region_rights",
    "The cloud user has no rights in this region; ask its administrator.",
)
REFUSED = _define("refused", "ModelArts refuses the request.")

# Addresses.
WRONG_ADDRESS = _define(
    "wrong_address",
    "The ModelArts address is wrong; an operator must correct the endpoint.",
)
NO_MODELARTS = _define(
    "no_modelarts",
    "There is no ModelArts at this address; an operator must correct the endpoint.",
)
REDIRECTED = _define(
    "redirected",
    "The ModelArts address redirects elsewhere, which Curfew never follows; an "
    "operator must correct the endpoint.",
)
NOT_SENDABLE = _define(
    "not_sendable",
    "The ModelArts address or a credential cannot be sent over HTTP; correct it in "
    "clouds.yaml.",
)

# No connection to ModelArts.
TOO_MANY_CALLS = _define(
    "too_many_calls", "This server has too many calls to ModelArts in progress."
)
PROXY_FAILED = _define(
    "proxy_failed",
    "ModelArts cannot be reached through the proxy; an operator must check "
    "CURFEW_CLOUD_PROXY.",
)
UNTRUSTED = _define(
    "untrusted",
    "The certificate of ModelArts is not trusted (%(verify_message)s); an operator "
    "must check the address and the certificate authority.",
)
TLS_FAILED = _define("tls_failed", "No secure connection to ModelArts is possible.")
NO_ADDRESS = _define("no_address", "The address of ModelArts cannot be looked up.")
CONNECTION_REFUSED = _define("connection_refused", "ModelArts refuses the connection.")
CONNECT_TIMED_OUT = _define(
    "connect_timed_out", "ModelArts did not accept the connection in time."
)
UNREACHABLE = _define("unreachable", "ModelArts cannot be reached.")

# The sign-in service.
SIGN_IN_TOO_MANY_CALLS = _define(
    "sign_in_too_many_calls",
    "This server has too many calls to the cloud's sign-in service in progress.",
)
SIGN_IN_PROXY_FAILED = _define(
    "sign_in_proxy_failed",
    "The cloud's sign-in service cannot be reached through the proxy; an operator must "
    "check CURFEW_CLOUD_PROXY.",
)
SIGN_IN_UNTRUSTED = _define(
    "sign_in_untrusted",
    "The certificate of the cloud's sign-in service is not trusted "
    "(%(verify_message)s); an operator must check the address and the certificate "
    "authority.",
)
SIGN_IN_TLS_FAILED = _define(
    "sign_in_tls_failed",
    "No secure connection to the cloud's sign-in service is possible.",
)
SIGN_IN_NO_ADDRESS = _define(
    "sign_in_no_address",
    "The address of the cloud's sign-in service cannot be looked up.",
)
SIGN_IN_CONNECTION_REFUSED = _define(
    "sign_in_connection_refused",
    "The cloud's sign-in service refuses the connection.",
)
SIGN_IN_CONNECT_TIMED_OUT = _define(
    "sign_in_connect_timed_out",
    "The cloud's sign-in service did not accept the connection in time.",
)
SIGN_IN_UNREACHABLE = _define(
    "sign_in_unreachable", "The cloud's sign-in service cannot be reached."
)
SIGN_IN_TIMED_OUT = _define(
    "sign_in_timed_out",
    "The cloud's sign-in service did not answer properly in time.",
)
SIGN_IN_TOO_SLOW = _define(
    "sign_in_too_slow", "Signing in to the cloud takes too long."
)
SIGN_IN_REFUSED = _define(
    "sign_in_refused",
    "The cloud's sign-in service refuses to sign us in; an operator must check user, "
    "password, domain and project in clouds.yaml.",
)
SIGN_IN_TOO_MANY_REQUESTS = _define(
    "sign_in_too_many_requests",
    "The cloud's sign-in service got too many requests.",
)
SIGN_IN_SERVER_ERROR = _define(
    "sign_in_server_error", "The cloud's sign-in service has a temporary problem."
)
SIGN_IN_INTERNAL_ERROR = _define(
    "sign_in_internal_error", "The cloud's sign-in service had an internal error."
)
SIGN_IN_UNAVAILABLE = _define(
    "sign_in_unavailable", "The cloud's sign-in service is unavailable."
)
SIGN_IN_WITHOUT_TOKEN = _define(
    "sign_in_without_token",
    "The cloud's sign-in service answered without a token.",
)
NO_SIGN_IN_SERVICE = _define(
    "no_sign_in_service",
    "There is no sign-in service at this address; an operator must correct auth_url in "
    "clouds.yaml.",
)
AUTH_URL_NOT_HTTP = _define(
    "auth_url_not_http",
    "auth.auth_url is not an HTTP address; correct it in clouds.yaml.",
)

# The files that describe the clouds.
NO_CLOUD = _define(
    "no_cloud",
    "No cloud is described; write a clouds.yaml, or set OS_CLIENT_CONFIG_FILE to the "
    "path of one.",
)
NO_CLOUD_CHOSEN = _define(
    "no_cloud_chosen", "No cloud is chosen; set OS_CLOUD to one of: %(known)s."
)
UNKNOWN_CLOUD = _define(
    "unknown_cloud",
    "There is no cloud %(cloud)s in clouds.yaml; described are: %(known)s.",
)
UNUSABLE_NAME = _define(
    "unusable_name",
    "Cloud %(cloud)s cannot be used under this name: it is empty, longer than "
    "%(longest)s characters or contains a line break or another character that cannot "
    "be shown. Rename it in clouds.yaml.",
)
FILE_MISSING = _define(
    "file_missing",
    "%(variable)s is wrong: the file %(path)s does not exist, or its folder cannot be "
    "read.",
)
FILE_UNREADABLE = _define("file_unreadable", "%(path)s cannot be read: %(reason)s.")
FILE_NOT_JSON = _define(
    "file_not_json", "%(path)s cannot be read: line %(line)s is not valid JSON."
)
FILE_NOT_YAML = _define(
    "file_not_yaml",
    "%(path)s cannot be read: line %(line)s is not valid YAML. Indent with spaces, and "
    "put values with special characters in quotes.",
)
FILE_NOT_TEXT = _define(
    "file_not_text", "%(path)s cannot be read: it is not a text file."
)
FILE_WITHOUT_CLOUDS = _define(
    "file_without_clouds", "%(path)s has no 'clouds' at its top level."
)
FILE_CLOUDS_SHAPE = _define(
    "file_clouds_shape", "%(path)s: 'clouds' must map names to clouds."
)
FILES_SHAPE = _define(
    "files_shape",
    "clouds.yaml or secure.yaml contains a section of a wrong shape; compare them with "
    "the documentation of openstacksdk.",
)
FILES_REFUSED = _define(
    "files_refused", "The description of the clouds cannot be used: %(reason)s"
)

# The description of one cloud.
CLOUD_REFUSED = _define("cloud_refused", "Cloud %(cloud)s: %(reason)s")
CLOUD_SHAPE = _define(
    "cloud_shape",
    "Cloud %(cloud)s: its entry must map keys to values, such as auth and region_name.",
)
CLOUD_AUTH_SHAPE = _define(
    "cloud_auth_shape",
    "Cloud %(cloud)s: auth must map keys to values, such as username and password.",
)
CLOUD_PASSWORD_SHAPE = _define(
    "cloud_password_shape",
    "Cloud %(cloud)s: %(key)s reads as yes or no; put it in quotes.",
)
CLOUD_REGIONS_SHAPE = _define(
    "cloud_regions_shape", "Cloud %(cloud)s: regions must be a list of names."
)
CLOUD_VALUE_SHAPE = _define(
    "cloud_value_shape",
    "Cloud %(cloud)s: a value of its entry has a wrong shape; compare it with the "
    "example in docs/settings.md.",
)
CLOUD_AUTH_URL_PLACEHOLDER = _define(
    "cloud_auth_url_placeholder",
    "Cloud %(cloud)s: auth_url contains a placeholder that is not filled in; write the "
    "full address.",
)
CLOUD_CACERT = _define(
    "cloud_cacert",
    "Cloud %(cloud)s: cacert %(path)s is not a readable certificate authority.",
)
CLOUD_VERIFY = _define(
    "cloud_verify",
    "Cloud %(cloud)s: verify %(path)s is not a readable certificate authority; it must "
    "be true or false.",
)
CLOUD_IN_CLEAR = _define(
    "cloud_in_clear",
    "Cloud %(cloud)s: an address begins with http://, so credentials could be read on "
    "the way; correct it to https:// in clouds.yaml, or set allow_http there if the "
    "cloud is an emulated one.",
)
CLOUD_TOKEN_WITHOUT_PROJECT = _define(
    "cloud_token_without_project",
    "Cloud %(cloud)s: set auth.project_id; a token alone does not name the project.",
)
CLOUD_KEY_WITHOUT_PROJECT = _define(
    "cloud_key_without_project",
    "Cloud %(cloud)s: set auth.project_id; an access key signs for the ID of a "
    "project, and project_name does not give it.",
)
CLOUD_NO_PROJECT = _define(
    "cloud_no_project",
    "Cloud %(cloud)s: set auth.project_id or auth.project_name; ModelArts accepts only "
    "tokens of a project.",
)
CLOUD_TWO_PROJECTS = _define(
    "cloud_two_projects",
    "Cloud %(cloud)s: %(key)s names another project than auth.project_id; make them "
    "agree.",
)
CLOUD_UNKNOWN_REGION = _define(
    "cloud_unknown_region",
    "Cloud %(cloud)s: region_name is %(region)s; without a password the address of "
    "ModelArts is known only for %(known)s, in exactly this spelling. Correct the "
    "region or set %(key)s.",
)
CLOUD_NO_REGION = _define(
    "cloud_no_region",
    "Cloud %(cloud)s: region_name is missing; without a password the address of "
    "ModelArts is known only for %(known)s. Set the region or %(key)s.",
)
CLOUD_KEY_HALF = _define(
    "cloud_key_half", "Cloud %(cloud)s: %(key)s is missing; ak and sk belong together."
)
CLOUD_NOT_SENDABLE = _define(
    "cloud_not_sendable",
    "Cloud %(cloud)s: ak or token contains characters that cannot be sent; copy it "
    "again.",
)
CLOUD_AUTH_TYPE = _define(
    "cloud_auth_type",
    "Cloud %(cloud)s: auth_type %(auth_type)s cannot be used; give a user and "
    "password, a token, or ak, sk and project_id.",
)
CLOUD_NO_AUTH_URL = _define(
    "cloud_no_auth_url",
    "Cloud %(cloud)s: auth_url is missing; it is the address of IAM.",
)
CLOUD_AUTH_URL_TOKENS = _define(
    "cloud_auth_url_tokens",
    "Cloud %(cloud)s: auth_url must end in /v3, without /auth/tokens.",
)
CLOUD_NO_PASSWORD = _define(
    "cloud_no_password",
    "Cloud %(cloud)s: password is missing; give a user and password, a token, or ak, "
    "sk and project_id.",
)
CLOUD_NO_USERNAME = _define(
    "cloud_no_username",
    "Cloud %(cloud)s: username is missing; give a user and password, a token, or ak, "
    "sk and project_id.",
)
CLOUD_NO_USER_DOMAIN = _define(
    "cloud_no_user_domain",
    "Cloud %(cloud)s: user_domain_name is missing; it is the account the user belongs "
    "to.",
)
CLOUD_ADDRESS_INVALID = _define(
    "cloud_address_invalid", "Cloud %(cloud)s: %(key)s is not an address."
)
CLOUD_ADDRESS_SCHEME = _define(
    "cloud_address_scheme", "Cloud %(cloud)s: %(key)s must begin with https://."
)
CLOUD_ADDRESS_PLACEHOLDER = _define(
    "cloud_address_placeholder",
    "Cloud %(cloud)s: %(key)s contains a placeholder that is not filled in.",
)
CLOUD_ADDRESS_HOST = _define(
    "cloud_address_host", "Cloud %(cloud)s: %(key)s names no host."
)
CLOUD_ADDRESS_QUERY = _define(
    "cloud_address_query",
    "Cloud %(cloud)s: %(key)s must end with its path, without ? or #.",
)
CLOUD_ADDRESS_OF_MODELARTS = _define(
    "cloud_address_of_modelarts",
    "The ModelArts address of cloud %(cloud)s is not an address; correct it in "
    "clouds.yaml.",
)
CLOUD_TOKEN_FOR_NO_PROJECT = _define(
    "cloud_token_for_no_project",
    "Cloud %(cloud)s: the token is for no project; set auth.project_id in clouds.yaml.",
)
CLOUD_NOT_IN_CATALOG = _define(
    "cloud_not_in_catalog",
    "Cloud %(cloud)s: the sign-in service knows no ModelArts; correct region_name in "
    "clouds.yaml, or set %(key)s there.",
)
CLOUD_NOT_IN_REGION = _define(
    "cloud_not_in_region",
    "Cloud %(cloud)s: the sign-in service knows no ModelArts of region %(region)s; "
    "correct region_name in clouds.yaml, or set %(key)s there.",
)
