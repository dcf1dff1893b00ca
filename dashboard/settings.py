"""Django's settings. Sites differ only through ``config.Config``."""

import gc

# Until the apps are ready (``web.apps``): imports leave hardly any garbage, and looking
# for it takes an eighth of the CPU of a start.
gc.disable()

import logging
import re
from urllib.parse import urlsplit, urlunsplit

from django.utils.csp import CSP
from redis.backoff import NoBackoff
from redis.retry import Retry

from dashboard import databases, logs, mail, paths
from dashboard.config import Config

CURFEW = Config.from_environment()

SECRET_KEY = CURFEW.secret_key.get_secret_value()
DEBUG = CURFEW.debug
ALLOWED_HOSTS = CURFEW.allowed_hosts
CSRF_TRUSTED_ORIGINS = CURFEW.csrf_trusted_origins

INSTALLED_APPS = [
    "dashboard.web",
    "dashboard.audit",
    "dashboard.accounts",
    "dashboard.instances",
    "dashboard.policies",
    "dashboard.costs",
    "dashboard.schedules",
    "dashboard.edits",
    "dashboard.handover",
    "dashboard.saved",
    "dashboard.reminders",
    "dashboard.digests",
    "dashboard.metrics",
    "dashboard.api",
    "dashboard.system",
    "dashboard.setup",
    "dashboard.ops",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_filters",
    "django_structlog",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "lucide",
]

MIDDLEWARE = [
    # First, since static files and errors need their headers, too.
    "dashboard.web.hardening.HeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # A list of 25 rows is 67 KB, 7 KB compressed. Django pads the response at random
    # and masks the CSRF token, so that its length reveals nothing.
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dashboard.api.middleware.TokenMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "dashboard.accounts.sessions.LoadedUserMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    # Before everything that may answer with text of its own.
    "dashboard.web.languages.LanguageMiddleware",
    "dashboard.audit.middleware.RefusalsMiddleware",
    "dashboard.web.errors.UnavailableMiddleware",
    "dashboard.web.limits.LimitsMiddleware",
    "dashboard.web.hardening.SameOriginMiddleware",
    "dashboard.web.middleware.SignInRequiredMiddleware",
    "dashboard.web.middleware.PersonalPagesMiddleware",
    "dashboard.web.middleware.TimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    # After messages, since it says why it signs someone out.
    "dashboard.accounts.sessions.SessionLimitsMiddleware",
    "dashboard.accounts.sessions.OneTimePasswordMiddleware",
    "dashboard.accounts.two_factor.SecondFactorMiddleware",
    "dashboard.reminders.unread_badge.UnreadBadgeMiddleware",
]

ROOT_URLCONF = "dashboard.urls"
WSGI_APPLICATION = "dashboard.wsgi.application"
# Put before every URL; the web server takes it off the path of a request.
FORCE_SCRIPT_NAME = CURFEW.path_prefix or None

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [paths.FILES / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "dashboard.web.template_loader.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "builtins": [
                "lucide.templatetags.lucide",
                "django.templatetags.i18n",
                "dashboard.web.templatetags.fixed_texts",
                "dashboard.web.templatetags.fixed_addresses",
            ],
            "libraries": {
                "navigation": "dashboard.navigation",
            },
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# -- data ---------------------------------------------------------------------------

DATABASES = {"default": databases.configured(CURFEW.database_url)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Some columns of indexes are for PostgreSQL only.
SILENCED_SYSTEM_CHECKS = ["models.W040"]


def _redis_database(url: str, offset: int) -> str:
    parts = urlsplit(url)
    number = int(parts.path.strip("/") or 0) + offset
    return urlunsplit(parts._replace(path=f"/{number}"))


BROKER_URL = _redis_database(CURFEW.redis_url, 0)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        # Not the broker's database: clearing the cache must not drop the queue.
        "LOCATION": _redis_database(CURFEW.redis_url, 1),
        "OPTIONS": {
            # Django's default serializer unpickles what it reads.
            "serializer": "dashboard.web.cache.JSONSerializer",
            "socket_timeout": 1,
            "socket_connect_timeout": 0.3,
            # The library's own retries, with pauses, would delay a sign-in for seconds.
            "retry": Retry(NoBackoff(), 1),
        },
        "KEY_PREFIX": "curfew",
    }
}

# -- people -------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["dashboard.accounts.backend.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in {
        "UserAttributeSimilarityValidator": {},
        "MinimumLengthValidator": {"min_length": 12},
        "CommonPasswordValidator": {},
    }.items()
] + [{"NAME": "dashboard.accounts.passwords.ContextWordsValidator"}]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "dashboard.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_EMAIL_NOTIFICATIONS = False
# Never send mail to an address that no account has.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if CURFEW.uses_https else "http"
ACCOUNT_FORMS = {
    "change_password": "dashboard.accounts.password_forms.ChangePasswordForm",
    "reset_password_from_key": "dashboard.accounts.password_forms.ResetPasswordKeyForm",
}
ACCOUNT_RATE_LIMITS = {
    "login": "60/m/ip",
    # The key is one name from one address: no one can lock out another person.
    "login_failed": "30/15m/ip,5/15m/key",
}
SESSION_ENGINE = "dashboard.accounts.backend"
SESSION_COOKIE_AGE = CURFEW.session_hours * 3600

MFA_ADAPTER = "dashboard.accounts.mfa.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# Addresses come from admins or the identity provider.
MFA_ALLOW_UNVERIFIED_EMAIL = True
# One step of 30 s either way, for the clocks of phones.
MFA_TOTP_TOLERANCE = 1
# Each code is valid once in all that time.
MFA_FORMS = {
    "authenticate": "dashboard.accounts.totp_codes.AuthenticateForm",
    "reauthenticate": "dashboard.accounts.totp_codes.ReauthenticateForm",
    "activate_totp": "dashboard.accounts.totp_codes.ActivateForm",
}
MFA_TOTP_ISSUER = "Curfew"
# Browsers allow passkeys without https on http://localhost alone.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = CURFEW.is_local

SOCIALACCOUNT_ADAPTER = "dashboard.accounts.oidc.SocialAdapter"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {"provider_class": "dashboard.accounts.oidc.Provider"}
}
# The sign-in button is a link: a form that leads to another site would need that site
# in the form-action of our content policy, and all sites it leads on to.
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5

# -- language, time, static files ------------------------------------------------------

# Logs, commands and workers use it; for pages see ``web.languages``.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("zh-hans", "简体中文")]
LANGUAGE_COOKIE_NAME = "curfew_language"
LOCALE_PATHS = [paths.FILES / "locale"]
FORMAT_MODULE_PATH = ["dashboard.formats"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = f"{CURFEW.path_prefix}/static/"
STATIC_ROOT = paths.VAR / "static"
STATICFILES_DIRS = [paths.FILES / "static"]
STORAGES = {"staticfiles": {"BACKEND": "dashboard.web.static_storage.StaticStorage"}}
MAILERS = {
    "default": mail.mailer(
        CURFEW.mail_url.get_secret_value(), starttls=CURFEW.mail_starttls
    )
}
DEFAULT_FROM_EMAIL = CURFEW.mail_from or "curfew@localhost"

# -- hardening ----------------------------------------------------------------------

SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "font-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
    "object-src": [CSP.NONE],
}
SECURE_SSL_REDIRECT = CURFEW.uses_https
# Machines in the same network read these without the proxy.
SECURE_REDIRECT_EXEMPT = [
    rf"^{re.escape(f'{CURFEW.path_prefix}/'.lstrip('/'))}(healthz|readyz|metrics)$"
]
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "dashboard.web.refusals.csrf_failure"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CURFEW.uses_https
# Other applications of the same host do not get them.
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = CURFEW.path_prefix or "/"
if CURFEW.uses_https:
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    # Decisions about other hosts of the domain are the operator's.
    SECURE_HSTS_INCLUDE_SUBDOMAINS = CURFEW.hsts_subdomains
    SECURE_HSTS_PRELOAD = CURFEW.hsts_preload
    SILENCED_SYSTEM_CHECKS += [
        check
        for check, wanted in (
            ("security.W005", CURFEW.hsts_subdomains),
            ("security.W021", CURFEW.hsts_preload),
        )
        if not wanted  # decided, not forgotten
    ]
    # Browsers accept such cookies only over https, and those of ``__Host-`` for this
    # host and all its paths alone. The language, and messages between two pages, are no
    # secrets and go without.
    _cookies = "__Secure-" if CURFEW.path_prefix else "__Host-"
    SESSION_COOKIE_NAME = f"{_cookies}sessionid"
    CSRF_COOKIE_NAME = f"{_cookies}csrftoken"
if CURFEW.trusted_proxies:
    # Anyone could send this header if no proxy replaced it.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
ALLAUTH_TRUSTED_PROXY_COUNT = CURFEW.trusted_proxies
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
X_FRAME_OPTIONS = "DENY"
# No other site needs our files.
WHITENOISE_ALLOW_ALL_ORIGINS = False
# No page asks for the others, and compressing takes most of the time of collecting.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

# -- logs ---------------------------------------------------------------------------

LOGGING_CONFIG = None
# The request id goes along with what a request queues. Tasks that succeed or come too
# late are not logged: the sweep alone would fill the log.
DJANGO_STRUCTLOG_CELERY_ENABLED = True
# Ours knows how many proxies to trust (``web.address``).
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_CELERY_TASK_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_CELERY_TASK_SUCCESS_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_CELERY_TASK_NOTICE_LOG_LEVEL = logging.DEBUG
logs.configure()
