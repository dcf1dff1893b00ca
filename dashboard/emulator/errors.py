"""Errors, in the shapes of the documents.

Source: ``docs/modelarts-api.md``, D.1 (shapes), D.3 and E.1 (codes).
"""

from http import HTTPStatus
from typing import Any


class RefusalError(Exception):
    """A request that the cloud refuses; ``body`` is JSON."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


def service_refusal(code: str, message: str, status: int = 400) -> RefusalError:
    """Build an error of ModelArts itself.

    The text is in ``error_message``, as in the demanager documents; the live service's
    clients decode ``error_msg`` (A.10).

    Args:
        code: Four digits after ``ModelArts.``.
        status: Nearly everything is 400, unknown instances included.
    """
    return RefusalError(
        status, {"error_code": f"ModelArts.{code}", "error_message": message}
    )


def gateway_refusal(
    code: str, message: str, status: int, request_id: str
) -> RefusalError:
    """Build an error of the gateway in front of the service.

    Args:
        code: Four digits after ``APIG.``.
        request_id: The id that is also in the answer's ``X-Request-Id`` header.
    """
    body = {"error_msg": message, "error_code": f"APIG.{code}"}
    return RefusalError(status, body | {"request_id": request_id})


def billing_refusal(code: str, message: str, status: int = 400) -> RefusalError:
    """Build an error of the billing service.

    Args:
        code: Digits after ``CBC.``.
    """
    return RefusalError(status, {"error_code": f"CBC.{code}", "error_msg": message})


def iam_refusal(status: int, message: str) -> RefusalError:
    title = HTTPStatus(status).phrase
    return RefusalError(
        status, {"error": {"message": message, "code": status, "title": title}}
    )
