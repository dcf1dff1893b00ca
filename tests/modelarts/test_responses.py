import re
from pathlib import Path

import httpx
import pytest
from hypothesis import given, strategies as st

from dashboard.modelarts import codes, errors, responses

DOCUMENTS = Path(__file__).parent.parent / "contract" / "documents"


def answer(status: int, code: str | None = None, **headers: str) -> httpx.Response:
    body = {"error_code": code, "error_msg": "in their words"} if code else None
    return httpx.Response(
        status, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "ModelArts.6309", errors.InstanceNotFoundError),
        (404, "ModelArts.6404", errors.InstanceNotFoundError),
        (400, "ModelArts.6404", errors.InstanceNotFoundError),
        (404, None, errors.InstanceNotFoundError),
        (404, "APIG.0101", errors.NotServedError),
        (404, "APIG.9999", errors.NotServedError),
        (400, "ModelArts.6334", errors.InvalidInputError),
        (400, "ModelArts.6349", errors.InvalidInputError),
        (400, "ModelArts.6347", errors.StateRefusedError),
        (400, "ModelArts.6308", errors.StateRefusedError),
        (400, "ModelArts.6357", errors.StateRefusedError),
        (409, None, errors.StateRefusedError),
        (400, "ModelArts.6326", errors.PermissionRefusedError),
        (400, "ModelArts.6360", errors.RefusedError),
        (400, "ModelArts.9999", errors.RefusedError),
        (400, None, errors.RefusedError),
        (405, None, errors.NotServedError),
        (410, None, errors.NotServedError),
        (413, None, errors.InvalidInputError),
        (422, None, errors.InvalidInputError),
        (401, None, errors.AuthenticationError),
        (401, "APIG.0301", errors.AuthenticationError),
        (401, "ModelArts.0112", errors.PermissionRefusedError),
        (401, "ModelArts.0428", errors.PermissionRefusedError),
        (401, "ModelArts.0204", errors.AuthenticationError),
        (400, "ModelArts.0204", errors.AuthenticationError),
        (403, None, errors.PermissionRefusedError),
        (403, "ModelArts.0203", errors.AuthenticationError),
        (403, "ModelArts.0210", errors.AuthenticationError),
        (403, "ModelArts.0112", errors.PermissionRefusedError),
        (403, "APIGW.0302", errors.PermissionRefusedError),
        (429, None, errors.ThrottledError),
        (429, "APIG.0308", errors.ThrottledError),
        (408, "ModelArts.6100", errors.AmbiguousError),
        (500, None, errors.AmbiguousError),
        (500, "ModelArts.6309", errors.AmbiguousError),
        (502, None, errors.AmbiguousError),
        (503, None, errors.AmbiguousError),
        (504, "APIG.0203", errors.AmbiguousError),
        (301, None, errors.RefusedError),
        (307, None, errors.RefusedError),
        (304, None, errors.RefusedError),
    ],
)
def test_status_and_code_decide(
    status: int, code: str | None, kind: type[errors.ModelArtsError]
) -> None:
    error = responses.error_from(answer(status, code), about_instance=True)
    assert type(error) is kind
    assert error.status == status
    assert error.error_code == code
    assert error.sentence.endswith(".")
    assert error.upstream_message == ("in their words" if code else None)


def test_a_bare_404_without_an_instance_is_a_wrong_address() -> None:
    assert type(responses.error_from(answer(404))) is errors.NotServedError


def test_503_with_retry_after_was_not_applied() -> None:
    error = responses.error_from(answer(503, Retry_After="7"))
    assert type(error) is errors.ThrottledError
    assert error.retry_after_seconds == 7
    error = responses.error_from(answer(503, Retry_After="soon"))
    assert type(error) is errors.AmbiguousError


def test_flags_follow_the_table() -> None:
    retried = {
        *(errors.NotSentError, errors.AmbiguousError),
        *(errors.UnclearError, errors.ThrottledError),
    }
    for kind in errors.ModelArtsError.__subclasses__():
        assert kind.retryable is (kind in retried)
        assert kind.ambiguous is (kind is errors.AmbiguousError)


def test_the_docstring_lists_every_error() -> None:
    assert errors.__doc__ is not None
    drawn = set(re.findall(r"\w+Error", errors.__doc__))

    def family(kind: type) -> set[str]:
        children = [family(child) for child in kind.__subclasses__()]
        return {kind.__name__}.union(*children)

    assert drawn == family(errors.ModelArtsError)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("30", 30.0),
        ("2.5", 2.5),
        ("1000000000", 60.0),
        ("1e400", 60.0),
        ("-5", 0.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Mon, 01 Jan 2035 00:00:20 GMT", 20.0),
        ("Mon, 01 Jan 2035 05:00:00 GMT", 60.0),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0),
        ("Mon, 99 Jan 2035 00:00:00 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    headers = httpx.Headers(
        {"Retry-After": text, "Date": "Mon, 01 Jan 2035 00:00:00 GMT"}
    )
    assert responses.retry_after_seconds(headers) == seconds


@given(st.text(max_size=60))
def test_no_date_crashes(text: str) -> None:
    moment = responses.http_date_ms(text)
    assert moment is None or isinstance(moment, int)


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("demanager-error-not-found", "ModelArts.6309", "does not exist"),
        ("modelarts-error-generic", "AS.0001", "format of message"),
        ("gateway-error-throttled", "APIG.0308", "throttling threshold"),
        ("gateway-error-iam-authentication", "APIG.0301", "decrypt token fail"),
        ("iam-error-keystone-shape", None, "required property"),
    ],
)
def test_every_documented_shape_is_read(
    name: str, code: str | None, message: str
) -> None:
    body = responses.read_error_body((DOCUMENTS / f"{name}.json").read_bytes())
    assert body.code == code
    assert body.message is not None
    assert message in body.message


def test_request_id_from_body_or_header() -> None:
    error = responses.error_from(
        httpx.Response(401, json={"request_id": "b"}, headers={"X-Request-Id": "h"})
    )
    assert error.request_id == "b"
    assert responses.error_from(answer(500, X_Request_Id="h")).request_id == "h"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad gateway</html>", b"[]", b"null", b'"x"', b'{"error_code": 5}'],
)
def test_other_bodies_have_no_code_and_no_message(body: bytes) -> None:
    assert responses.read_error_body(body) == responses.ErrorBody()


def test_messages_are_short_single_lines_without_keys() -> None:
    message = responses.clean_message(
        "bad\r\n\x1b[31mtoken " + "A1b2" * 40 + " at https://me:pw@h/ " + "é " * 900
    )
    assert len(message) <= 300
    assert message.isprintable()
    assert "A1b2" not in message
    assert "pw" not in message


@given(st.binary(max_size=200), st.integers(300, 599))
def test_any_answer_becomes_an_error(body: bytes, status: int) -> None:
    error = responses.error_from(httpx.Response(status, content=body))
    assert error.sentence


DOCUMENTED = """
    ModelArts 400: 6301 6302 6303 6304 6305 6306 6307 6308 6309 6316 6317 6318 6319
    6320 6323 6324 6326 6327 6328 6329 6330 6331 6332 6333 6334 6335 6336 6341 6343
    6344 6345 6346 6347 6348 6349 6350 6353 6354 6355 6357 6358 6360 6361 6371 6374
    6376 6377 6378 6379 6400 6401 6404 6407 6528 6600 6716 6768 6782 6789 6792 6797
    6870 0101 0102 0104 0107 0113 0116 0118 0204 0210
    ModelArts 401: 0201 0202 0203 0204 0205 0206 0207 0208 0212 0112 0428 6201 6203
    6608 6620
    ModelArts 403: 0108 0112 0203 0206 0210 6653
    ModelArts 408: 6100
    ModelArts 413: 4104
    ModelArts 429: 6101
    ModelArts 500: 0010 6102 6200 6699
    APIG 400: 0101 0106 0201 0202 0203 0301 0302 0303 0304 0305 0306 0307 0308 0310
    0401 0402 0601 0602 0610 0613
    IAM 401: 0001 0002 0003 0004 0006 0012 0061 0062 0066 0067 0080 0081 0082 0083
"""


def test_every_documented_code_has_a_sentence() -> None:
    checked = 0
    for service, status, numbers in re.findall(
        r"(\w+) (\d{3}):((?:\s+\d{4})+)", DOCUMENTED
    ):
        for number in numbers.split():
            meaning = codes.meaning_of(int(status), f"{service}.{number}")
            assert meaning is not None, number
            assert meaning.message.value.endswith("."), number
            checked += 1
    assert checked == 133
