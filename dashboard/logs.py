"""Logs: one JSON line per event on standard error, secrets removed."""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

SECRET_KEYS = re.compile(
    r"secret|token|password|private|credential|cookie|authorization|^ak$|^sk$", re.I
)
PASSWORD_IN_ADDRESS = re.compile(r"(\w://[^\s:/@]*:)[^\s/@]+@")
ANSWER_OF_PROVIDER = re.compile(r"(?<=/login/callback/\?)\S+")
VALUE = re.compile(r"(?<![^&])(?!error)([^&=]*=)[^&]+")
"""Values in the query of that response; the error stays readable."""
MAX_LENGTH = 2_000
"""Characters of one text in the log."""

TRACEBACK = 20_000
"""The same for a traceback."""

API_TOKEN = re.compile(r"\bcurfew_[0-9a-f]{64}\b")
RESET_KEY = re.compile(r"(/password/reset/key/)\S+")
WALL_TOKEN = re.compile(r"(/wall/|/reminders/answer/|/costs/digest/off/)[^/\s?\"']+")
SETUP_TOKEN = re.compile(r"(/setup/)(?!clouds/|ready/)[^/\s?\"']+")
QUIET = {
    # Each of these logs request lines, headers or addresses at INFO or DEBUG.
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "openstack": logging.WARNING,
    "keystoneauth": logging.WARNING,
    "urllib3": logging.WARNING,
    "kombu": logging.WARNING,
    # Each task sent, received and done: several lines a second in normal operation.
    "celery.beat": logging.WARNING,
    "celery.worker.strategy": logging.WARNING,
    # A message that came too late: the sweeper has sent another.
    "celery.worker.request": logging.WARNING,
    "celery.app.trace": logging.WARNING,
}


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Blank every value whose key looks like a secret's, at any depth."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: Any) -> Any:
    if SECRET_KEYS.search(key):
        return "[redacted]"
    if isinstance(value, dict):
        return {inner: _redacted(str(inner), item) for inner, item in value.items()}
    return value


def scrub(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Blank secrets in URLs inside texts and tracebacks.

    These are passwords, the code and state of a single sign-on, keys for a new
    password, and tokens of wallboards, of answers to questions, of digests and of the
    setup.
    """
    return {
        key: _cut(scrubbed(value), TRACEBACK if key == "exception" else MAX_LENGTH)
        if isinstance(value, str)
        else value
        for key, value in event.items()
    }


def _cut(text: str, longest: int) -> str:
    """Keep both ends of a text that is too long; strangers can write to the log."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}…[{len(text) - 2 * half} more]…{text[-half:]}"


def scrubbed(text: str) -> str:
    """Return the text without the secrets in its URLs."""
    text = PASSWORD_IN_ADDRESS.sub(r"\1[redacted]@", text)
    text = API_TOKEN.sub("[redacted]", text)
    text = RESET_KEY.sub(r"\1[redacted]", text)
    text = WALL_TOKEN.sub(r"\1[redacted]", text)
    text = SETUP_TOKEN.sub(r"\1[redacted]", text)
    return ANSWER_OF_PROVIDER.sub(
        lambda found: VALUE.sub(r"\1[redacted]", found[0]), text
    )


def processors() -> list[Processor]:
    """Return the processors of every event, ours and the libraries'."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
    ]


def formatter() -> logging.Formatter:
    """Return the formatter for events; ``server_logs.json`` names it, too."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=processors(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            scrub,
            # JSON escapes control characters, so one event stays one line.
            structlog.processors.JSONRenderer(),
        ],
    )


def configure(level: int = logging.INFO) -> None:
    """Send structlog's and the standard library's events to standard error."""
    structlog.configure(
        processors=[
            *processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name, quiet_level in QUIET.items():
        logging.getLogger(name).setLevel(quiet_level)
