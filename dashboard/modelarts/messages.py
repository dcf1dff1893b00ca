"""The messages of the client, in English.

The client has no translations. ``instances.messages`` translates its messages for
pages; logs and commands print the English text.
"""

from collections.abc import Mapping
from enum import Enum, unique
from typing import NamedTuple


def N_(english: str) -> str:
    """Mark a text for translation."""
    return english


@unique
class Problem(Enum):
    """What went wrong, as an English text with ``%(name)s`` for each value."""

    @property
    def code(self) -> str:
        """The stored name: renaming a message takes a migration."""
        return f"modelarts.{self.name.lower()}"

    # The values that were sent.
    NAME_TAKEN = N_("The name is already taken.")
    NOT_SORTABLE = N_("ModelArts cannot sort by that field.")
    BAD_STORAGE = N_(
        "ModelArts does not accept the storage of this instance; check its path."
    )
    STORAGE_SLASH = N_("The storage path must end in a slash.")
    STORAGE_DIRECTORY = N_(
        "The storage path must be a directory, not the whole bucket."
    )
    STORAGE_TYPE = N_("ModelArts does not support this type of storage.")
    STORAGE_CLASS = N_("The bucket must be of the standard storage class.")
    BAD_FLAVOR = N_("ModelArts does not offer this flavor; choose another one.")
    HARDWARE_MISMATCH = N_("The hardware does not fit the work environment.")
    DISK_SIZE = N_("The disk size is out of range.")
    WRONG_TYPE = N_("One of the values has the wrong type.")
    BAD_CHARACTER = N_(
        "The name or description contains a character that is not allowed."
    )
    VALUE_MISSING = N_("A value that ModelArts needs is missing.")
    BAD_VALUE = N_("ModelArts does not accept one of the values that were sent.")
    BAD_GIT = N_(
        "The Git repository of this instance is not usable; check it in the console."
    )
    STOP_IN_PAST = N_("The auto-stop time would be in the past; choose a longer one.")
    RUN_TIME_MISSING = N_("Auto-stop needs a run time when it is switched on.")
    RUN_TIME_RANGE = N_("The run time must be between 1 and 24 hours.")
    BAD_SETTING = N_(
        "ModelArts does not accept this setting of the notebook; check its key pair, "
        "image and flavor in the console."
    )
    NO_WORKSPACE = N_("The workspace does not exist.")
    REQUEST_TOO_LARGE = N_("The request is too large.")
    NOT_UNDERSTOOD = N_("ModelArts did not understand the request.")
    CLOUD_DID_NOT_UNDERSTAND = N_("The cloud did not understand the request.")
    BAD_ID = N_("This is not a valid instance ID.")
    DESCRIPTION_TOO_LONG = N_(
        "The description has %(length)s characters; at most %(most)s are allowed."
    )
    DESCRIPTION_FORBIDDEN = N_("A description cannot contain %(marks)s.")
    DESCRIPTION_INVISIBLE = N_(
        "The description contains invisible control characters (%(names)s); remove "
        "them."
    )
    NAME_EMPTY = N_("A notebook needs a name.")
    NAME_TOO_LONG = N_(
        "The name has %(length)s characters; at most %(most)s are allowed."
    )
    NAME_FORBIDDEN = N_(
        "A name can contain only the letters A to Z, digits, hyphens and underscores."
    )
    TAG_KEY = N_(
        "A tag needs a key that neither begins nor ends with a space and does not "
        "begin with _sys_."
    )
    TAG_KEY_FORBIDDEN = N_(
        "The key of a tag can contain only letters, digits, spaces and %(marks)s"
    )
    TAG_VALUE_FORBIDDEN = N_(
        "The value of a tag can contain only letters, digits, spaces and %(marks)s"
    )
    TAG_TOO_LONG = N_(
        "A part of the tag has %(length)s characters; at most %(most)s are allowed."
    )

    # The state of the instance.
    MUST_BE_STOPPED = N_("The instance must be stopped first.")
    ALREADY_RUNNING = N_("The instance is already running.")
    STILL_STARTING = N_("The instance is starting; try again when it is running.")
    ALREADY_STOPPED = N_("The instance is already stopped.")
    STILL_STOPPING = N_("The instance is stopping; try again when it has stopped.")
    NOT_RUNNING = N_("The instance is not running.")
    RESTORING = N_(
        "The instance is being restored after a fault; try again in a few minutes."
    )
    WRONG_STATE = N_("This cannot be changed in the instance's current state.")
    OTHER_OPERATION = N_(
        "Another operation is in progress on this instance, or nothing needs to "
        "change; check its status and try again."
    )
    STATE_CONFLICT = N_("This conflicts with the current state of the instance.")
    GONE = N_("The instance no longer exists.")

    # Resources, load and faults of the cloud.
    SOLD_OUT = N_("This hardware is sold out at the moment.")
    POOL_NOT_READY = N_("The resource pool is being prepared.")
    FEW_RESOURCES = N_("There are not enough free resources at the moment.")
    NO_RESOURCES = N_("ModelArts has no free resources at the moment.")
    DISKS_SOLD_OUT = N_("Disks are sold out at the moment.")
    TIMED_OUT = N_("ModelArts did not answer in time.")
    BUSY = N_("ModelArts is busy and asks Curfew to wait.")
    INTERNAL_ERROR = N_(
        "ModelArts had an internal error; if it persists, the operator should contact "
        "the cloud's support."
    )
    NETWORK_ERROR = N_("ModelArts had a network error.")
    SERVER_ERROR = N_("ModelArts has a temporary problem; Curfew tries again.")
    GATEWAY_FAILED = N_("The cloud's gateway could not forward the request.")
    GATEWAY_UNREACHABLE = N_("The cloud's gateway could not reach ModelArts.")
    GATEWAY_TIMED_OUT = N_("ModelArts did not answer the cloud's gateway in time.")
    TOO_MANY_REQUESTS = N_(
        "The cloud received too many requests and asks Curfew to wait."
    )
    OWN_RATE_LIMIT = N_(
        "Curfew has reached its request limit for this cloud and has to wait."
    )
    UNREADABLE = N_("ModelArts sent a response that cannot be read.")
    OVERSIZED = N_("ModelArts sent a response that is far too large.")
    COMPRESSED = N_("ModelArts sent an unexpected, compressed response.")
    CONNECTION_LOST = N_("The connection to ModelArts broke before its response ended.")

    # Credentials, rights and bills.
    NOT_SIGNED_IN = N_(
        "The cloud did not accept the sign-in; an operator must check clouds.yaml."
    )
    CREDENTIALS_REFUSED = N_(
        "The cloud refuses Curfew's credentials; an operator must check clouds.yaml."
    )
    BAD_SIGNATURE = N_(
        "The cloud did not accept the access key or its signature; an operator must "
        "check the key and this server's clock."
    )
    WRONG_PROJECT = N_(
        "The credentials do not belong to this project; an operator must correct the "
        "project in clouds.yaml."
    )
    UNKNOWN_CREDENTIALS = N_(
        "The cloud's sign-in service does not know these credentials."
    )
    UNKNOWN_USER = N_(
        "The cloud's sign-in service does not know the user, domain or project; an "
        "operator must check clouds.yaml."
    )
    USER_LOCKED = N_(
        "The cloud user is locked after wrong passwords; wait, and have an operator "
        "check the password in clouds.yaml."
    )
    WRONG_PASSWORD = N_(
        "The password is wrong; an operator must correct it in clouds.yaml."
    )
    NO_RIGHTS = N_(
        "The cloud account may not do this; its administrator must grant the "
        "permissions for ModelArts notebooks."
    )
    FORBIDDEN = N_(
        "The cloud account may not do this; its administrator can grant the "
        "permissions."
    )
    NO_RENEWAL_RIGHT = N_(
        "The cloud account may not change the end of a run; its administrator must "
        "grant the permission modelarts:notebook:updateStopPolicy."
    )
    NO_HARDWARE_RIGHT = N_("The account may not use this hardware.")
    NO_WORKSPACE_RIGHT = N_(
        "The account may not use this workspace; its administrator can allow it."
    )
    OWNER_ONLY = N_("Only the owner of the project may do this.")
    STORAGE_KEY = N_(
        "ModelArts has no valid access key for the object storage; the owner must "
        "renew it in the ModelArts settings of the console."
    )
    NO_AGENCY = N_(
        "ModelArts has no valid authorization for this user; the owner must set it up "
        "in the ModelArts settings of the console."
    )
    TOO_MANY_INSTANCES = N_(
        "The project has reached its limit of instances; delete one first."
    )
    QUOTA = N_(
        "A quota of the cloud project is exhausted; its administrator can raise it."
    )
    IN_ARREARS = N_(
        "The instance is frozen because the account is in arrears; the account's owner"
        " must settle the bill."
    )
    ACCOUNT_SUSPENDED = N_(
        "The cloud account is suspended; its owner must resolve this."
    )
    ACCOUNT_RESTRICTED = N_(
        "The cloud account is restricted; its owner must resolve this."
    )
    PROJECT_UNAVAILABLE = N_(
        "The cloud project is unavailable; its administrator must resolve this."
    )
    ADDRESS_BLOCKED = N_(
        "The cloud does not accept requests from this server's address; its "
        "administrator must allow it."
    )
    USER_DISABLED = N_("The cloud user is disabled; its administrator must enable it.")
    CONSOLE_ONLY = N_("The cloud user is for the console only; it needs API access.")
    SIGN_IN_FORBIDDEN = N_(
        "The cloud user may not sign in here; its administrator must allow it."
    )
    NO_REGION_RIGHTS = N_(
        "The cloud user has no permissions in this region; ask its administrator."
    )
    REFUSED = N_("ModelArts refuses the request.")

    # Addresses.
    WRONG_ADDRESS = N_(
        "The ModelArts address is wrong; an operator must correct the endpoint."
    )
    NO_MODELARTS = N_(
        "There is no ModelArts at this address; an operator must correct the endpoint."
    )
    CONFIGURED_NOT_SERVED = N_(
        "ModelArts does not serve the API “%(generation)s” at this address, but %(key)s"
        " in clouds.yaml names it. An operator must correct or remove %(key)s; if the "
        "cloud serves that API, correct the endpoint."
    )
    REDIRECTED = N_(
        "The ModelArts address redirects elsewhere, and Curfew does not follow "
        "redirects; an operator must correct the endpoint."
    )
    NOT_SENDABLE = N_(
        "The ModelArts address or a credential cannot be sent over HTTP; correct it in"
        " clouds.yaml."
    )

    # No connection to ModelArts.
    TOO_MANY_CALLS = N_("This server has too many calls to ModelArts in progress.")
    PROXY_FAILED = N_(
        "ModelArts cannot be reached through the proxy; an operator must check "
        "CURFEW_CLOUD_PROXY."
    )
    UNTRUSTED = N_(
        "The certificate of ModelArts is not trusted (%(verify_message)s); an operator"
        " must check the address and the certificate authority."
    )
    TLS_FAILED = N_("No secure connection to ModelArts is possible.")
    NO_ADDRESS = N_("The address of ModelArts cannot be looked up.")
    CONNECTION_REFUSED = N_("ModelArts refuses the connection.")
    CONNECT_TIMED_OUT = N_("ModelArts did not accept the connection in time.")
    UNREACHABLE = N_("ModelArts cannot be reached.")

    # The billing service.
    NO_PRICE = N_("The cloud's billing service has no price for this.")
    NO_BILLING_RIGHT = N_(
        "The cloud account may not read prices; its administrator can grant access to "
        "the billing service (BSS)."
    )
    NO_BILLING_SERVICE = N_(
        "There is no billing service at this address; an operator must correct "
        "bss_endpoint_override in clouds.yaml."
    )
    BILLING_UNREACHABLE = N_(
        "The cloud's billing service cannot be reached; an operator must check "
        "bss_endpoint_override in clouds.yaml and the network."
    )
    BILLING_NO_ANSWER = N_("The cloud's billing service did not answer properly.")
    BILLING_REFUSED = N_("The cloud's billing service refuses the request.")

    # The sign-in service; ``connect_message`` relies on the prefix of these names.
    SIGN_IN_TOO_MANY_CALLS = N_(
        "This server has too many calls to the cloud's sign-in service in progress."
    )
    SIGN_IN_PROXY_FAILED = N_(
        "The cloud's sign-in service cannot be reached through the proxy; an operator "
        "must check CURFEW_CLOUD_PROXY."
    )
    SIGN_IN_UNTRUSTED = N_(
        "The certificate of the cloud's sign-in service is not trusted "
        "(%(verify_message)s); an operator must check the address and the certificate "
        "authority."
    )
    SIGN_IN_TLS_FAILED = N_(
        "No secure connection to the cloud's sign-in service is possible."
    )
    SIGN_IN_NO_ADDRESS = N_(
        "The address of the cloud's sign-in service cannot be looked up."
    )
    SIGN_IN_CONNECTION_REFUSED = N_(
        "The cloud's sign-in service refuses the connection."
    )
    SIGN_IN_CONNECT_TIMED_OUT = N_(
        "The cloud's sign-in service did not accept the connection in time."
    )
    SIGN_IN_UNREACHABLE = N_("The cloud's sign-in service cannot be reached.")
    SIGN_IN_TIMED_OUT = N_(
        "The cloud's sign-in service did not answer properly in time."
    )
    SIGN_IN_TOO_SLOW = N_("Signing in to the cloud takes too long.")
    SIGN_IN_REFUSED = N_(
        "The cloud's sign-in service refuses the sign-in; an operator must check user,"
        " password, domain and project in clouds.yaml."
    )
    SIGN_IN_TOO_MANY_REQUESTS = N_(
        "The cloud's sign-in service received too many requests."
    )
    SIGN_IN_SERVER_ERROR = N_("The cloud's sign-in service has a temporary problem.")
    SIGN_IN_INTERNAL_ERROR = N_("The cloud's sign-in service had an internal error.")
    SIGN_IN_UNAVAILABLE = N_("The cloud's sign-in service is unavailable.")
    SIGN_IN_WITHOUT_TOKEN = N_("The cloud's sign-in service answered without a token.")
    NO_SIGN_IN_SERVICE = N_(
        "There is no sign-in service at this address; an operator must correct "
        "auth_url in clouds.yaml."
    )
    AUTH_URL_NOT_HTTP = N_(
        "auth.auth_url is not an HTTP address; correct it in clouds.yaml."
    )

    # The files that describe the clouds.
    NO_CLOUD = N_(
        "No cloud is configured; create a clouds.yaml, or set OS_CLIENT_CONFIG_FILE to "
        "the path of one."
    )
    NO_CLOUD_CHOSEN = N_("No cloud is selected; set OS_CLOUD to one of: %(known)s.")
    UNKNOWN_CLOUD = N_("There is no cloud %(cloud)s in clouds.yaml; it has: %(known)s.")
    UNUSABLE_NAME = N_(
        "Cloud %(cloud)s cannot be used under this name: it is empty, longer than "
        "%(longest)s characters or contains a line break or another character that "
        "cannot be shown. Rename it in clouds.yaml."
    )
    FILE_MISSING = N_(
        "%(variable)s is wrong: the file %(path)s does not exist, or its folder cannot"
        " be read."
    )
    FILE_UNREADABLE = N_("%(path)s cannot be read: %(reason)s.")
    FILE_NOT_JSON = N_("%(path)s cannot be read: line %(line)s is not valid JSON.")
    FILE_NOT_YAML = N_(
        "%(path)s cannot be read: line %(line)s is not valid YAML. Indent with spaces,"
        " and put values with special characters in quotes."
    )
    FILE_NOT_TEXT = N_("%(path)s cannot be read: it is not a text file.")
    FILE_WITHOUT_CLOUDS = N_("%(path)s has no 'clouds' at its top level.")
    FILE_CLOUDS_SHAPE = N_("%(path)s: 'clouds' must map names to clouds.")
    FILES_SHAPE = N_(
        "clouds.yaml or secure.yaml contains a section with the wrong structure; "
        "compare them with the documentation of openstacksdk."
    )
    FILES_REFUSED = N_("The configuration of the clouds cannot be used: %(reason)s")

    # The description of one cloud.
    CLOUD_REFUSED = N_("Cloud %(cloud)s: %(reason)s")
    CLOUD_SHAPE = N_(
        "Cloud %(cloud)s: its entry must map keys to values, such as auth and "
        "region_name."
    )
    CLOUD_AUTH_SHAPE = N_(
        "Cloud %(cloud)s: auth must map keys to values, such as username and password."
    )
    CLOUD_PASSWORD_SHAPE = N_(
        "Cloud %(cloud)s: YAML reads %(key)s as true or false; put it in quotes."
    )
    CLOUD_REGIONS_SHAPE = N_("Cloud %(cloud)s: regions must be a list of names.")
    CLOUD_VALUE_SHAPE = N_(
        "Cloud %(cloud)s: a value in its entry has the wrong structure; compare it "
        "with the example in docs/settings.md."
    )
    CLOUD_AUTH_URL_PLACEHOLDER = N_(
        "Cloud %(cloud)s: auth_url contains a placeholder that is not filled in; write"
        " the full address."
    )
    CLOUD_CACERT = N_(
        "Cloud %(cloud)s: cacert %(path)s is not a readable certificate authority."
    )
    CLOUD_VERIFY = N_(
        "Cloud %(cloud)s: verify %(path)s is not a readable certificate authority; it "
        "must be true or false."
    )
    CLOUD_GENERATIONS = N_(
        "Cloud %(cloud)s: %(key)s must be demanager, notebooks or both, as a list."
    )
    CLOUD_MAX_RUN = N_(
        "Cloud %(cloud)s: %(key)s must be a whole number of hours from 1 to %(most)s."
    )
    CLOUD_NOTEBOOK_HOSTS = N_(
        "Cloud %(cloud)s: %(key)s must be names of hosts, such as *.example.com."
    )
    CLOUD_WITHOUT_BILLING = N_(
        "Cloud %(cloud)s has no billing service that Curfew can ask for prices. Enter "
        "the prices by hand; if there is such a service, set %(key)s in clouds.yaml."
    )
    CLOUD_WITHOUT_BILLING_REGION = N_(
        "Cloud %(cloud)s: prices depend on the region; set region_name in clouds.yaml."
    )
    CLOUD_CONSOLE = N_("Cloud %(cloud)s: %(key)s must be an https:// address.")
    CLOUD_SWITCH = N_("Cloud %(cloud)s: %(key)s must be true or false.")
    CLOUD_IN_CLEAR = N_(
        "Cloud %(cloud)s: an address begins with http://, so credentials could be read"
        " on the way; correct it to https:// in clouds.yaml, or set allow_http there "
        "if the cloud is an emulated one."
    )
    CLOUD_TOKEN_WITHOUT_PROJECT = N_(
        "Cloud %(cloud)s: set auth.project_id; a token alone does not name the project."
    )
    CLOUD_KEY_WITHOUT_PROJECT = N_(
        "Cloud %(cloud)s: set auth.project_id; an access key signs for the ID of a "
        "project, and project_name does not give it."
    )
    CLOUD_NO_PROJECT = N_(
        "Cloud %(cloud)s: set auth.project_id or auth.project_name; ModelArts accepts "
        "only tokens of a project."
    )
    CLOUD_TWO_PROJECTS = N_(
        "Cloud %(cloud)s: %(key)s and auth.project_id name different projects; make "
        "them agree."
    )
    CLOUD_UNKNOWN_REGION = N_(
        "Cloud %(cloud)s: region_name is %(region)s; without a password the address of"
        " ModelArts is known only for %(known)s, in exactly this spelling. Correct the"
        " region or set %(key)s."
    )
    CLOUD_NO_REGION = N_(
        "Cloud %(cloud)s: region_name is missing; without a password the address of "
        "ModelArts is known only for %(known)s. Set the region or %(key)s."
    )
    CLOUD_KEY_HALF = N_(
        "Cloud %(cloud)s: %(key)s is missing; ak and sk must be set together."
    )
    CLOUD_NOT_SENDABLE = N_(
        "Cloud %(cloud)s: ak or token contains characters that cannot be sent; copy it"
        " again."
    )
    CLOUD_AUTH_TYPE = N_(
        "Cloud %(cloud)s: auth_type %(auth_type)s cannot be used; give a user and "
        "password, a token, or ak, sk and project_id."
    )
    CLOUD_NO_AUTH_URL = N_(
        "Cloud %(cloud)s: auth_url is missing; it is the address of IAM."
    )
    CLOUD_AUTH_URL_TOKENS = N_(
        "Cloud %(cloud)s: auth_url must end in /v3, without /auth/tokens."
    )
    CLOUD_NO_PASSWORD = N_(
        "Cloud %(cloud)s: password is missing; give a user and password, a token, or "
        "ak, sk and project_id."
    )
    CLOUD_NO_USERNAME = N_(
        "Cloud %(cloud)s: username is missing; give a user and password, a token, or "
        "ak, sk and project_id."
    )
    CLOUD_NO_USER_DOMAIN = N_(
        "Cloud %(cloud)s: user_domain_name is missing; it is the account the user "
        "belongs to."
    )
    CLOUD_ADDRESS_INVALID = N_("Cloud %(cloud)s: %(key)s is not a valid address.")
    CLOUD_ADDRESS_SCHEME = N_("Cloud %(cloud)s: %(key)s must begin with https://.")
    CLOUD_ADDRESS_PLACEHOLDER = N_(
        "Cloud %(cloud)s: %(key)s contains a placeholder that is not filled in."
    )
    CLOUD_ADDRESS_HOST = N_("Cloud %(cloud)s: %(key)s has no host name.")
    CLOUD_ADDRESS_QUERY = N_(
        "Cloud %(cloud)s: %(key)s must end with its path, without ? or #."
    )
    CLOUD_ADDRESS_OF_MODELARTS = N_(
        "The ModelArts address of cloud %(cloud)s is not valid; correct it in "
        "clouds.yaml."
    )
    CLOUD_TOKEN_FOR_NO_PROJECT = N_(
        "Cloud %(cloud)s: the token has no project; set auth.project_id in clouds.yaml."
    )
    CLOUD_NOT_IN_CATALOG = N_(
        "Cloud %(cloud)s: the sign-in service does not list ModelArts; correct "
        "region_name in clouds.yaml, or set %(key)s there."
    )
    CLOUD_NOT_IN_REGION = N_(
        "Cloud %(cloud)s: the sign-in service does not list ModelArts in region "
        "%(region)s; correct region_name in clouds.yaml, or set %(key)s there."
    )


class ProblemText(NamedTuple):
    """A problem with its values; ``str`` returns the English text."""

    message: Problem
    params: Mapping[str, object] = {}

    @property
    def code(self) -> str:
        return self.message.code

    def __str__(self) -> str:
        return self.message.value % self.params
