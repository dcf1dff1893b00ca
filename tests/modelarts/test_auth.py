"""When tokens are fetched, how often, and the effects of a refusal."""

import threading
from collections.abc import Callable

import httpx
import pytest

from dashboard.modelarts import errors
from dashboard.modelarts.auth import HOLD_SECONDS, IamTokenAuth
from dashboard.modelarts.iam import IssuedToken, PasswordCredentials

from .conftest import PROJECT, FakeCloud, cloud_config

LIFE = 1_000.0
CREDENTIALS = PasswordCredentials(
    auth_url="https://iam.example.com",
    username="curfew",
    password="CANARY-PASSWORD",
    user_domain_name="OTC",
    project_id=PROJECT,
)
INSTANCE = httpx.Response(200, json={"id": "DE-1"})


class Iam:
    """Issues T1, T2, ... and has a clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 5_000.0
        self.issued = 0
        self.failure: errors.ModelArtsError | None = None
        self.auth = IamTokenAuth(
            CREDENTIALS, with_catalog=False, fetch=self.fetch, clock=lambda: self.now
        )

    def fetch(self) -> IssuedToken:
        self.issued += 1
        if self.failure is not None:
            raise self.failure
        return IssuedToken(f"T{self.issued}", LIFE, PROJECT, None)


@pytest.fixture
def iam() -> Iam:
    return Iam()


def accepting(*tokens: str) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers["X-Auth-Token"] in tokens:
            return httpx.Response(200, json={"id": "DE-1"})
        return httpx.Response(401, json={"error_code": "APIG.0307", "error_msg": "no"})

    return answer


def test_one_token_serves_many_requests(iam: Iam) -> None:
    cloud = FakeCloud(accepting("T1"))
    with cloud.client(cloud_config(auth=iam.auth)) as client:
        for _ in range(3):
            client.demanager.show_instance("DE-1")
    assert iam.issued == 1
    assert cloud.tokens == ["T1"] * 3


def test_renewed_ahead_of_expiry(iam: Iam) -> None:
    cloud = FakeCloud(accepting("T1", "T2"))
    with cloud.client(cloud_config(auth=iam.auth)) as client:
        client.demanager.show_instance("DE-1")
        iam.now += 0.75 * LIFE
        client.demanager.show_instance("DE-1")
        iam.now += 0.10 * LIFE
        client.demanager.show_instance("DE-1")
    assert cloud.tokens == ["T1", "T1", "T2"]


def test_the_old_token_is_used_while_iam_is_down(iam: Iam) -> None:
    cloud = FakeCloud(accepting("T1", "T3"))
    with cloud.client(cloud_config(auth=iam.auth)) as client:
        client.demanager.show_instance("DE-1")
        iam.now += 0.9 * LIFE
        iam.failure = errors.NotSentError("down")
        client.demanager.show_instance("DE-1")
        client.demanager.show_instance("DE-1")
        assert iam.issued == 2  # not asked again at once
        iam.now += 0.2 * LIFE
        with pytest.raises(errors.NotSentError):
            client.demanager.show_instance("DE-1")
    assert cloud.tokens == ["T1"] * 3


def test_a_refused_token_is_renewed_once_and_the_request_repeated(iam: Iam) -> None:
    cloud = FakeCloud(accepting("T2"))
    waits: list[int] = []
    with cloud.client(
        cloud_config(auth=iam.auth), before_request=lambda: waits.append(1)
    ) as client:
        assert client.demanager.show_instance("DE-1").instance.id == "DE-1"
    assert cloud.tokens == ["T1", "T2"]
    assert len(waits) == 2  # the repetition counts against the rate, too


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((403, "ModelArts.0203"), (400, "ModelArts.6401"), (403, "ModelArts.6401")),
        *((400, "ModelArts.0201"), (403, "ModelArts.0202"), (400, "ModelArts.6608")),
        *((404, "ModelArts.6620"), (403, "APIG.0301"), (400, "APIG.0307")),
        *((403, "APIGW.0307"), (401, None)),
    ],
)
def test_a_token_refused_by_any_status_is_renewed(
    iam: Iam, status: int, code: str | None
) -> None:
    refusal = httpx.Response(status, json={"error_code": code})
    cloud = FakeCloud(refusal, INSTANCE)
    with cloud.client(cloud_config(auth=iam.auth)) as client:
        client.demanager.show_instance("DE-1")
    assert cloud.tokens == ["T1", "T2"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((401, "ModelArts.0428"), (403, "ModelArts.0108"), (403, None)),
        *((403, "APIG.0302"), (403, "ModelArts.6407")),
    ],
)
def test_missing_rights_do_not_renew_the_token(
    iam: Iam, status: int, code: str | None
) -> None:
    cloud = FakeCloud(httpx.Response(status, json={"error_code": code}))
    with (
        cloud.client(cloud_config(auth=iam.auth)) as client,
        pytest.raises(errors.PermissionRefusedError),
    ):
        client.demanager.show_instance("DE-1")
    assert iam.issued == 1
    assert len(cloud.requests) == 1


def test_after_a_second_401_no_one_signs_in_for_a_minute(iam: Iam) -> None:
    cloud = FakeCloud(accepting("T3"))
    with cloud.client(cloud_config(auth=iam.auth)) as client:
        with pytest.raises(errors.AuthenticationError) as caught:
            client.demanager.show_instance("DE-1")
        assert caught.value.error_code == "APIG.0307"
        iam.now += HOLD_SECONDS - 1
        with pytest.raises(errors.AuthenticationError) as caught:
            client.demanager.show_instance("DE-1")
        assert caught.value.retry_after_seconds == pytest.approx(1)
        assert (iam.issued, len(cloud.requests)) == (2, 2)
        iam.now += 1
        client.demanager.show_instance("DE-1")
    assert iam.issued == 3


def test_a_wrong_password_is_not_tried_again(iam: Iam) -> None:
    cloud = FakeCloud(accepting("T2"))
    iam.failure = errors.AuthenticationError("wrong", status=401)
    with cloud.client(cloud_config(auth=iam.auth)) as client:
        for _ in range(3):
            with pytest.raises(errors.AuthenticationError):
                client.demanager.show_instance("DE-1")
        assert (iam.issued, cloud.requests) == (1, [])
        iam.failure = None
        iam.now += HOLD_SECONDS
        client.demanager.show_instance("DE-1")


def test_an_accepted_token_that_is_refused_later_is_renewed(iam: Iam) -> None:
    good = {"T1"}
    cloud = FakeCloud(lambda request: accepting(*good)(request))
    with cloud.client(cloud_config(auth=iam.auth)) as client:
        for token in ("T1", "T2", "T3"):
            good.clear()
            good.add(token)
            client.demanager.show_instance("DE-1")
    assert iam.issued == 3


def test_only_the_refused_token_is_discarded(iam: Iam) -> None:
    """A late 401 for T1 must not cost T2, which another thread got meanwhile."""

    def refuse_after_renewal(request: httpx.Request) -> httpx.Response:
        if len(cloud.requests) == 1:
            with other.client(cloud_config(auth=iam.auth)) as client:
                client.demanager.show_instance("DE-1")
        return accepting("T2")(request)

    other = FakeCloud(accepting("T2"))
    cloud = FakeCloud(refuse_after_renewal)
    with cloud.client(cloud_config(auth=iam.auth)) as client:
        client.demanager.show_instance("DE-1")
    assert iam.issued == 2
    assert other.tokens == ["T1", "T2"]
    assert cloud.tokens == ["T1", "T2"]


def test_a_renewal_that_was_refused_is_not_renewed_by_another_thread(iam: Iam) -> None:
    """Another thread may try T2 before the one that fetched it knows it is no good."""

    def refuse(request: httpx.Request) -> httpx.Response:
        if cloud.tokens.count("T2") == 1 and not other.requests:
            with (
                other.client(cloud_config(auth=iam.auth)) as client,
                pytest.raises(errors.AuthenticationError),
            ):
                client.demanager.show_instance("DE-1")
        return httpx.Response(401)

    other = FakeCloud(httpx.Response(401))
    cloud = FakeCloud(refuse)
    with (
        cloud.client(cloud_config(auth=iam.auth)) as client,
        pytest.raises(errors.AuthenticationError),
    ):
        client.demanager.show_instance("DE-1")
    assert other.tokens == ["T2"]
    assert iam.issued == 2


def run_in_threads(count: int, act: Callable[[], None]) -> list[BaseException]:
    gate = threading.Barrier(count)
    failures: list[BaseException] = []

    def run() -> None:
        gate.wait(timeout=10)
        try:
            act()
        except errors.ModelArtsError as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    return failures


def test_one_thread_signs_in_for_all(iam: Iam) -> None:
    cloud = FakeCloud(accepting("T1"))
    with cloud.client(cloud_config(auth=iam.auth)) as client:
        assert (
            run_in_threads(16, lambda: [client.demanager.show_instance("DE-1")].clear())
            == []
        )
    assert iam.issued == 1


@pytest.mark.parametrize("count", [2, 16])
def test_a_401_in_all_threads_renews_once(iam: Iam, count: int) -> None:
    good = {"T1"}
    cloud = FakeCloud(lambda request: accepting(*good)(request))
    with cloud.client(cloud_config(auth=iam.auth)) as client:
        client.demanager.show_instance("DE-1")
        good.clear()
        failures = run_in_threads(
            count, lambda: [client.demanager.show_instance("DE-1")].clear()
        )
    assert {type(failure) for failure in failures} == {errors.AuthenticationError}
    assert len(failures) == count
    assert iam.issued == 2
    assert len(cloud.requests) <= 1 + 2 * count


def test_nothing_shows_a_secret(iam: Iam) -> None:
    token = iam.auth.scope()
    for text in (repr(CREDENTIALS), repr(token), repr(cloud_config(auth=iam.auth))):
        assert "CANARY" not in text
        assert "T1" not in text
