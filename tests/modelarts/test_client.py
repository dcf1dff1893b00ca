"""The client without a network: its requests, and how it reads answers."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dashboard.modelarts import errors, schemas
from dashboard.modelarts.auth import IamTokenAuth
from dashboard.modelarts.client import ModelArtsClient
from dashboard.modelarts.iam import IssuedToken, PasswordCredentials
from dashboard.modelarts.requests import UpdateInstanceRequest
from dashboard.modelarts.results import (
    UNUSABLE_ID_PREFIX,
    ClockReading,
    InstancePage,
    replacement_id,
    upstream_skew_ms,
)

from .conftest import PROJECT, FakeCloud, cloud_config

BASE = f"https://modelarts.example.com/v1/{PROJECT}/demanager/instances"


def document(number: int) -> dict[str, Any]:
    return {"id": f"DE-{number}", "name": f"n{number}", "status": "RUNNING"}


def fleet(
    size: int, total: Any = None, most: int = 1_000
) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        numbers = range(size)[offset : offset + min(limit, most)]
        return httpx.Response(
            200,
            json={
                "total_count": size if total is None else total,
                "instances": [document(number) for number in numbers],
            },
        )

    return answer


def pages_of(cloud: FakeCloud, **options: Any) -> list[InstancePage]:
    with cloud.client() as client:
        return list(client.demanager.list_instances(**options))


def ids_of(pages: list[InstancePage]) -> list[str]:
    return [instance.id for page in pages for instance in page.instances]


class TestListing:
    @pytest.mark.parametrize(
        ("size", "requests"), [(0, 1), (1, 1), (10, 2), (11, 2), (25, 3)]
    )
    def test_pages_until_a_short_page(self, size: int, requests: int) -> None:
        cloud = FakeCloud(fleet(size))
        pages = pages_of(cloud, page_size=10)
        assert ids_of(pages) == [f"DE-{number}" for number in range(size)]
        assert [page.offset for page in pages] == [10 * n for n in range(requests)]
        assert len(cloud.requests) == requests

    def test_lists_the_instances_of_everyone(self) -> None:
        cloud = FakeCloud(fleet(1))
        pages_of(cloud)
        assert dict(cloud.requests[0].url.params) == {
            "de_type": "Notebook",
            "limit": "100",
            "offset": "0",
            "show_self": "false",
        }
        pages_of(cloud, show_self=True, status="RUNNING", workspace_id="w/1")
        params = cloud.requests[1].url.params
        assert params["show_self"] == "true"
        assert (params["status"], params["workspace_id"]) == ("RUNNING", "w/1")

    def test_is_lazy(self) -> None:
        cloud = FakeCloud(fleet(30))
        with cloud.client() as client:
            pages = client.demanager.list_instances(page_size=10)
            assert cloud.requests == []
            next(pages)
            assert len(cloud.requests) == 1

    def test_pages_smaller_than_requested(self) -> None:
        cloud = FakeCloud(fleet(25, most=7))
        assert len(ids_of(pages_of(cloud, page_size=10))) == 25

    def test_a_server_that_ignores_limit(self) -> None:
        everything = {"total_count": "3", "instances": [document(n) for n in range(3)]}
        cloud = FakeCloud(httpx.Response(200, json=everything))
        assert len(ids_of(pages_of(cloud, page_size=1))) == 3
        assert len(cloud.requests) == 2, "it may have another page as long"

    def test_a_total_of_one_page_does_not_end_the_listing(self) -> None:
        cloud = FakeCloud(fleet(25, total=10))
        assert len(ids_of(pages_of(cloud, page_size=10))) == 25

    def test_with_fewer_than_expected_only_an_empty_page_ends_it(self) -> None:
        cloud = FakeCloud(fleet(25, total=7, most=7))
        assert len(ids_of(pages_of(cloud, page_size=10, expected=25))) == 25

    def test_a_listing_continues_an_earlier_one(self) -> None:
        cloud = FakeCloud(fleet(25))
        first, *_ = pages_of(cloud, page_size=10)
        seen = [instance.id for instance in first.instances]
        rest = pages_of(cloud, page_size=10, offset=9, seen=seen)
        assert ids_of(rest) == [f"DE-{number}" for number in range(10, 25)]
        assert [page.is_last for page in rest] == [False, True]

    @pytest.mark.parametrize("total", [40, 10**18])
    def test_with_a_wrong_total_an_empty_page_ends_the_listing(
        self, total: int
    ) -> None:
        cloud = FakeCloud(fleet(25, total=total))
        pages = pages_of(cloud, page_size=10)
        assert len(ids_of(pages)) == 25
        assert len(cloud.requests) == 4
        assert pages[-1].total_count == total

    def test_a_repeated_page_ends_the_listing(self) -> None:
        same = {"total_count": 10**9, "instances": [document(1), document(1)]}
        cloud = FakeCloud(httpx.Response(200, json=same))
        assert ids_of(pages_of(cloud, page_size=1)) == ["DE-1"]
        assert len(cloud.requests) == 2

    def test_unreadable_elements_do_not_stop_the_others(self) -> None:
        odd = [
            {"name": "nameless", "status": "RUNNING", "credential": "CANARY"},
            {"id": "a/b"},
            "text",
            None,
        ]
        listing = {"total_count": 5, "instances": [*odd, document(1)]}
        (page,) = pages_of(FakeCloud(httpx.Response(200, json=listing)))
        assert [instance.id for instance in page.instances] == ["DE-1"]
        assert [element.name for element in page.unreadable] == [
            "nameless",
            None,
            None,
            None,
        ]
        assert page.unreadable[0].status == "RUNNING"
        assert page.unreadable[1].received_id == "a/b"
        assert page.unreadable[1].instance_id == replacement_id("a/b")
        assert "CANARY" not in repr(page)

    @pytest.mark.parametrize(
        "received",
        ["a/b", "..", " a", "line\nbreak", "lone\ud800", "nul\0", "x" * 9999],
    )
    def test_an_unusable_id_is_replaced(self, received: str) -> None:
        listing = {"total_count": 2, "instances": [{"id": received}, {"id": "x?y#z"}]}
        body = json.dumps(listing).encode()
        (page,) = pages_of(FakeCloud(httpx.Response(200, content=body)))
        assert [one.id for one in page.instances] == ["x?y#z"]
        (record,) = page.unreadable
        assert record.instance_id is not None
        assert record.instance_id.startswith(UNUSABLE_ID_PREFIX)
        assert len(record.instance_id) < 64

    def test_unreadable_elements_are_returned_once(self) -> None:
        listing = {"total_count": 10**9, "instances": [{"id": "a/b"}]}
        cloud = FakeCloud(httpx.Response(200, json=listing))
        pages = pages_of(cloud, page_size=1)
        assert [len(page.unreadable) for page in pages] == [1, 0]

    @pytest.mark.parametrize(
        "listing",
        [
            {},
            {"instances": []},
            {"total_count": "many", "instances": []},
            {"total_count": -1, "instances": []},
            {"total_count": 1},
            {"total_count": 1, "instances": {}},
            [],
        ],
    )
    def test_an_answer_without_a_listing_is_an_error(self, listing: Any) -> None:
        with pytest.raises(errors.AmbiguousError):
            pages_of(FakeCloud(httpx.Response(200, json=listing)))

    def test_null_for_no_instances(self) -> None:
        none = httpx.Response(200, json={"total_count": 0, "instances": None})
        assert ids_of(pages_of(FakeCloud(none))) == []

    def test_page_size_must_be_positive(self) -> None:
        with pytest.raises(ValueError, match="page_size"):
            pages_of(FakeCloud(fleet(1)), page_size=0)


class TestExchange:
    def test_update_sends_what_is_set(self) -> None:
        cloud = FakeCloud(httpx.Response(200, json=document(1)))
        with cloud.client() as client:
            seen = client.demanager.update_instance(
                "DE-1", UpdateInstanceRequest(description="Grüße")
            )
        (request,) = cloud.requests
        assert (request.method, str(request.url)) == ("PUT", f"{BASE}/DE-1")
        assert request.content.decode() == '{"description":"Grüße"}'
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["Accept-Encoding"] == "identity"
        assert seen.instance.name == "n1"

    @pytest.mark.parametrize("action", ["start", "stop"])
    def test_actions(self, action: str) -> None:
        answer = {"current_status": "STARTING", "previous_state": "STOPPED"}
        cloud = FakeCloud(httpx.Response(202, json=answer))
        with cloud.client() as client:
            response = getattr(client.demanager, f"{action}_instance")("DE-1")
        assert response == schemas.ActionResponse(**answer)
        (request,) = cloud.requests
        assert (request.method, str(request.url)) == ("POST", f"{BASE}/DE-1/action")
        assert json.loads(request.content) == {"action": action}

    def test_a_get_has_the_content_type_too(self) -> None:
        cloud = FakeCloud(httpx.Response(200, json=document(1)))
        with cloud.client() as client:
            client.demanager.show_instance("DE-1")
        assert cloud.requests[0].headers["Content-Type"] == "application/json"

    @pytest.mark.parametrize(
        ("instance_id", "path"),
        [("a b", "/a%20b"), ("a/../b?c#d", "/a%2F..%2Fb%3Fc%23d")],
    )
    def test_ids_are_quoted_in_the_path(self, instance_id: str, path: str) -> None:
        cloud = FakeCloud(httpx.Response(200, json=document(1)))
        with cloud.client() as client:
            client.demanager.show_instance(instance_id)
        assert cloud.requests[0].url.raw_path.decode().endswith(f"/instances{path}")

    @pytest.mark.parametrize("instance_id", ["", ".", "..", "a\n", "\ud800"])
    def test_an_invalid_id_is_not_sent(self, instance_id: str) -> None:
        cloud = FakeCloud(httpx.Response(200, json=document(1)))
        with cloud.client() as client, pytest.raises(errors.InvalidInputError):
            client.demanager.show_instance(instance_id)
        assert cloud.requests == []

    def test_clocks_are_read(self) -> None:
        headers = {"Date": "Mon, 01 Jan 2035 00:00:00 GMT"}
        cloud = FakeCloud(httpx.Response(200, json=document(1), headers=headers))
        with cloud.client() as client:
            clock = client.demanager.show_instance("DE-1").clock
        assert clock.date_ms == 2_051_222_400_000
        assert clock.received_at_ms >= clock.sent_at_ms > 1_700_000_000_000

    @pytest.mark.parametrize(
        ("failure", "kind"),
        [
            (httpx.ConnectError("x"), errors.NotSentError),
            (httpx.ConnectTimeout("x"), errors.NotSentError),
            (httpx.PoolTimeout("x"), errors.NotSentError),
            (httpx.ReadTimeout("x"), errors.AmbiguousError),
            (httpx.WriteTimeout("x"), errors.AmbiguousError),
            (httpx.WriteError("x"), errors.AmbiguousError),
            (httpx.ReadError("x"), errors.AmbiguousError),
            (httpx.RemoteProtocolError("x"), errors.AmbiguousError),
            (httpx.LocalProtocolError("x"), errors.ConfigurationError),
        ],
    )
    def test_broken_exchanges(
        self, failure: Exception, kind: type[errors.ModelArtsError]
    ) -> None:
        cloud = FakeCloud(failure)
        with cloud.client() as client, pytest.raises(errors.ModelArtsError) as caught:
            client.demanager.start_instance("DE-1")
        assert type(caught.value) is kind
        # It would hold the request, and so the token.
        assert caught.value.__cause__ is caught.value.__context__ is None

    def test_a_404_on_the_list_is_a_wrong_address(self) -> None:
        with pytest.raises(errors.NotServedError):
            pages_of(FakeCloud(httpx.Response(404)))

    def test_a_limiter_may_refuse(self) -> None:
        class SlowDown(Exception):
            pass

        def refuse() -> None:
            raise SlowDown

        cloud = FakeCloud(httpx.Response(200, json=document(1)))
        transport = httpx.MockTransport(cloud)
        with (
            ModelArtsClient(
                cloud_config(), before_request=refuse, transport=transport
            ) as client,
            pytest.raises(SlowDown),
        ):
            client.demanager.show_instance("DE-1")
        assert cloud.requests == []


class TestAddress:
    def auth(self, endpoint: str | None, project_id: str | None) -> IamTokenAuth:
        return IamTokenAuth(
            PasswordCredentials(auth_url="", password=""),
            with_catalog=True,
            fetch=lambda: IssuedToken("T", 60, project_id, endpoint),
        )

    def url_with(self, **config: Any) -> str:
        cloud = FakeCloud(httpx.Response(200, json=document(1)))
        with cloud.client(cloud_config(**config)) as client:
            client.demanager.show_instance("DE-1")
            client.demanager.show_instance("DE-1")
        assert len(cloud.requests) == 2
        return str(cloud.requests[0].url)

    def test_from_the_catalog(self) -> None:
        auth = self.auth("https://catalog.example.com/v1/p7", "p7")
        url = self.url_with(endpoint=None, project_id=None, auth=auth)
        assert url == "https://catalog.example.com/v1/p7/demanager/instances/DE-1"

    def test_the_override_wins(self) -> None:
        auth = self.auth("https://catalog.example.com/v1/p7", "p7")
        url = self.url_with(
            endpoint="https://o.example.com", project_id=None, auth=auth
        )
        assert url == "https://o.example.com/v1/p7/demanager/instances/DE-1"

    def test_the_region_comes_last(self) -> None:
        config = {"endpoint": None, "auth": self.auth(None, "p7"), "region": "eu-de"}
        assert self.url_with(**config).startswith(
            "https://modelarts.eu-de.otc.t-systems.com"
        )

    def test_no_address(self) -> None:
        with pytest.raises(errors.ConfigurationError, match="endpoint_override"):
            self.url_with(endpoint=None, auth=self.auth(None, "p7"))

    def test_an_invalid_address(self) -> None:
        with pytest.raises(errors.ConfigurationError, match="not valid"):
            self.url_with(endpoint="https://example.com:port")


class TestSkew:
    RECEIVED = 1_700_000_000_000
    SENT = RECEIVED - 100

    def skew(self, *stops: tuple[int, int], date_ms: int | None = None) -> int | None:
        instances = [
            schemas.Instance.model_validate(
                {
                    "id": "x",
                    "status": "RUNNING",
                    "spec": {
                        "auto_stop": {"stop_timestamp": stop, "remain_time": remain}
                    },
                }
            )
            for stop, remain in stops
        ]
        return upstream_skew_ms(
            instances, ClockReading(self.SENT, self.RECEIVED, date_ms)
        )

    @pytest.mark.parametrize("ahead_ms", [0, 600_000, -600_000, 1_234])
    def test_the_closest_estimate_wins(self, ahead_ms: int) -> None:
        theirs = self.RECEIVED + ahead_ms
        left = (3_600_001, 7_199_300, 900, 1_500_999)
        stops = [(theirs + ms, -(-ms // 1_000)) for ms in left]
        skew = self.skew(*stops)
        assert skew is not None
        assert skew - ahead_ms == -1  # that of 1500.999 s, shown as 1501 s

    def test_an_outlier_is_ignored(self) -> None:
        now = self.RECEIVED
        honest = [(now + 10_000, 10), (now + 20_000, 20)]
        assert self.skew(*honest, (now + 86_400_000, 60)) == 0
        assert self.skew(*honest, (now - 86_400_000, 60)) == 0

    def test_the_date_header_is_the_fallback(self) -> None:
        assert self.skew(date_ms=self.RECEIVED + 5_000) == 5_000
        assert self.skew((self.RECEIVED, 0), date_ms=self.RECEIVED) == 0
        assert self.skew() is None
