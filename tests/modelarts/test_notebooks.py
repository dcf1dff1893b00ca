"""The client of notebooks without a network: its requests, paging and errors."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from dashboard.modelarts import errors
from dashboard.modelarts.call_metrics import Call
from dashboard.modelarts.generations import Generation
from dashboard.modelarts.limits import name_problems, tag_problems
from dashboard.modelarts.messages import Problem
from dashboard.modelarts.notebooks import NotebooksApi
from dashboard.modelarts.requests import (
    NO_AUTO_STOP_SECONDS,
    RenewLeaseRequest,
    UpdateNotebookRequest,
)
from dashboard.modelarts.results import InstancePage

from .conftest import PROJECT, FakeCloud

BASE = f"https://modelarts.example.com/v1/{PROJECT}/notebooks"
LEASE = RenewLeaseRequest(seconds=3_600)

type Act = Callable[[NotebooksApi], object]


def notebook(number: int) -> dict[str, Any]:
    return {"id": f"n-{number}", "name": f"n{number}", "status": "RUNNING"}


def fleet(
    size: int, *, total: int | None = None, own: int | None = None
) -> Callable[[httpx.Request], httpx.Response]:
    """Answer lists of ``size``; with ``own`` the user is no administrator."""

    def answer(request: httpx.Request) -> httpx.Response:
        count = size
        if own is not None:
            if request.url.path.endswith("/all"):
                return refusal(403, "ModelArts.0108")
            count = own
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        data = [notebook(number) for number in range(count)[offset : offset + limit]]
        total_count = count if total is None else total
        page = {"data": data, "total": total_count, "current": 0, "size": 99}
        return httpx.Response(200, json=page)

    return answer


def refusal(status: int, code: str | None = None) -> httpx.Response:
    if code is None:
        return httpx.Response(status)
    return httpx.Response(status, json={"error_code": code, "error_msg": "No."})


def pages_of(cloud: FakeCloud, **options: Any) -> list[InstancePage]:
    with cloud.client() as client:
        return list(client.notebooks.list_instances(**options))


def ids_of(pages: list[InstancePage]) -> list[str]:
    return [instance.id for page in pages for instance in page.instances]


def sent_by(act: Act, answer: httpx.Response | None = None) -> httpx.Request:
    cloud = FakeCloud(answer or httpx.Response(200, json=notebook(1)))
    with cloud.client() as client:
        act(client.notebooks)
    (request,) = cloud.requests
    return request


def error_of(act: Act, answer: httpx.Response) -> errors.ModelArtsError:
    with pytest.raises(errors.ModelArtsError) as caught:
        sent_by(act, answer)
    return caught.value


def listing(api: NotebooksApi) -> object:
    return list(api.list_instances())


def show(api: NotebooksApi) -> object:
    return api.show_instance("n")


def stop(api: NotebooksApi) -> object:
    return api.stop_instance("n")


def renew(api: NotebooksApi) -> object:
    return api.renew_lease("n", LEASE)


def add_tags(api: NotebooksApi) -> object:
    return api.add_tags("n", {"a": "b"})


def list_tags(api: NotebooksApi) -> object:
    return api.list_tags()


def test_a_client_has_the_calls_of_both_generations() -> None:
    with FakeCloud(httpx.Response(200)).client() as client:
        for generation in Generation:
            api = client.api(str(generation))
            assert api is getattr(client, generation)
            assert api.generation is generation
        with pytest.raises(ValueError, match="third"):
            client.api("third")


class TestListing:
    @pytest.mark.parametrize(
        ("size", "requests"), [(0, 1), (1, 1), (50, 2), (51, 2), (120, 3)]
    )
    def test_pages_until_a_short_page(self, size: int, requests: int) -> None:
        cloud = FakeCloud(fleet(size))
        pages = pages_of(cloud)
        assert ids_of(pages) == [f"n-{number}" for number in range(size)]
        assert [page.offset for page in pages] == [50 * n for n in range(requests)]
        assert {page.scope for page in pages} == {"all"}
        assert {page.total_count for page in pages} == {size}
        assert [page.is_last for page in pages] == [False] * (requests - 1) + [True]

    @pytest.mark.parametrize(
        ("page_size", "limit"),
        [(1, "10"), (10, "10"), (19, "10"), (20, "20"), (49, "20"), (200, "50")],
    )
    def test_a_page_has_one_of_the_allowed_sizes(
        self, page_size: int, limit: str
    ) -> None:
        cloud = FakeCloud(fleet(1))
        pages_of(cloud, page_size=page_size)
        assert cloud.requests[0].url.params["limit"] == limit

    def test_both_spellings_of_the_workspace_are_sent(self) -> None:
        cloud = FakeCloud(fleet(1))
        pages_of(cloud)
        pages_of(cloud, workspace_id="w 1", status="STOPPED")
        without, given = (request.url for request in cloud.requests)
        assert dict(without.params) == {"limit": "50", "offset": "0"}
        assert dict(given.params) == {
            "limit": "50",
            "offset": "0",
            "status": "STOPPED",
            "workspaceId": "w 1",
            "workspace_id": "w 1",
        }

    def test_without_administrator_rights_the_own_notebooks_are_listed(self) -> None:
        cloud = FakeCloud(fleet(500, own=60))
        pages = pages_of(cloud)
        assert len(ids_of(pages)) == 60
        assert {page.scope for page in pages} == {"own"}
        urls = [str(request.url) for request in cloud.requests]
        assert urls == [
            f"{BASE}/all?limit=50&offset=0",
            f"{BASE}?limit=50&offset=0",
            f"{BASE}?limit=50&offset=50",
        ]

    def test_a_listing_continues_an_earlier_one(self) -> None:
        for own in (None, 120):
            pages = pages_of(FakeCloud(fleet(120, own=own)), offset=50)
            assert ids_of(pages) == [f"n-{number}" for number in range(50, 120)]

    def test_a_refusal_of_a_later_page_does_not_change_the_scope(self) -> None:
        whole = fleet(60)

        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.params["offset"] == "0":
                return whole(request)
            return refusal(403)

        with pytest.raises(errors.PermissionRefusedError):
            pages_of(FakeCloud(answer))

    def test_a_wrong_total_does_not_cut_the_listing(self) -> None:
        assert len(ids_of(pages_of(FakeCloud(fleet(120, total=50))))) == 120
        assert len(ids_of(pages_of(FakeCloud(fleet(120, total=400))))) == 120

    def test_a_repeated_page_ends_the_listing(self) -> None:
        same = {"total": 999, "data": [notebook(number) for number in range(50)]}
        cloud = FakeCloud(httpx.Response(200, json=same))
        assert len(ids_of(pages_of(cloud))) == 50
        assert len(cloud.requests) == 2

    def test_elements_without_a_lease_and_unreadable_ones_are_tolerated(self) -> None:
        page = {"total": 3, "data": [notebook(1), {"id": "a/b", "token": "CANARY"}, 7]}
        (read,) = pages_of(FakeCloud(httpx.Response(200, json=page)))
        assert [one.state().is_partial for one in read.instances] == [True]
        assert [one.received_id for one in read.unreadable] == ["a/b", None]
        assert "CANARY" not in repr(read)

    @pytest.mark.parametrize("page", [{}, {"data": []}, {"total": 1}, {"total": "?"}])
    def test_an_answer_without_a_listing_is_an_error(self, page: Any) -> None:
        with pytest.raises(errors.AmbiguousError):
            pages_of(FakeCloud(httpx.Response(200, json=page)))

    def test_page_size_must_be_positive(self) -> None:
        with pytest.raises(ValueError, match="page_size"):
            pages_of(FakeCloud(fleet(1)), page_size=0)


class TestRequests:
    @pytest.mark.parametrize(
        ("seconds", "kind", "query"),
        [
            (None, "timing", ""),
            (7_200, "timing", "?duration=7200000&type=timing"),
            (3_600, "idle", "?duration=3600000&type=idle"),
            (NO_AUTO_STOP_SECONDS, "timing", "?duration=-1"),
        ],
    )
    def test_start(self, seconds: int | None, kind: Any, query: str) -> None:
        request = sent_by(lambda api: api.start_instance("n", seconds, lease_type=kind))
        assert (request.method, str(request.url)) == ("POST", f"{BASE}/n/start{query}")
        assert request.content == b"{}"

    @pytest.mark.parametrize("seconds", [3_599, 259_201, 0, -2, True, 3_600.5])
    def test_a_run_time_out_of_range_is_not_sent(self, seconds: Any) -> None:
        cloud = FakeCloud(httpx.Response(200))
        with cloud.client() as client:
            with pytest.raises(ValidationError):
                client.notebooks.start_instance("n", seconds)
            with pytest.raises(ValidationError):
                RenewLeaseRequest(seconds=seconds)
        assert cloud.requests == []

    def test_only_a_start_switches_auto_stop_off(self) -> None:
        with pytest.raises(ValidationError):
            RenewLeaseRequest(seconds=NO_AUTO_STOP_SECONDS)

    def test_the_old_generation_starts_without_a_run_time(self) -> None:
        cloud = FakeCloud(httpx.Response(200))
        with (
            cloud.client() as client,
            pytest.raises(ValueError, match="no run time"),
        ):
            client.demanager.start_instance("DE-1", 3_600)
        assert cloud.requests == []

    def test_stop(self) -> None:
        request = sent_by(stop, httpx.Response(202))
        assert (request.method, str(request.url)) == ("POST", f"{BASE}/n/stop")
        assert request.content == b""

    def test_renew_sends_milliseconds_in_the_body(self) -> None:
        request = sent_by(renew)
        assert (request.method, str(request.url)) == ("PATCH", f"{BASE}/n/lease")
        assert json.loads(request.content) == {"duration": 3_600_000, "type": "timing"}

    def test_update_sends_what_is_set(self) -> None:
        change = UpdateNotebookRequest(description="")
        request = sent_by(lambda api: api.update_instance("n", change))
        assert (request.method, str(request.url)) == ("PUT", f"{BASE}/n")
        assert json.loads(request.content) == {"description": ""}
        with pytest.raises(ValidationError, match="Nothing to change"):
            UpdateNotebookRequest()

    @pytest.mark.parametrize(
        ("members", "is_fine"),
        [
            ({"name": "a-B_9" * 25}, True),
            ({"name": "a" * 129}, False),
            ({"name": ""}, False),
            ({"name": "a b"}, False),
            ({"name": "ä"}, False),
            ({"name": "a\n"}, False),
            ({"description": "a" * 512}, True),
            ({"description": "it's"}, False),
            ({"description": "a/b"}, False),
            ({"flavor": "modelarts.vm.cpu.2u"}, False),
        ],
    )
    def test_the_strict_rules_hold_for_updates(
        self, members: dict[str, Any], is_fine: bool
    ) -> None:
        if is_fine:
            assert UpdateNotebookRequest(**members).body() == members
        else:
            with pytest.raises(ValidationError):
                UpdateNotebookRequest(**members)

    @pytest.mark.parametrize(
        ("key", "value", "is_fine"),
        [
            ("k" * 128, "v" * 255, True),
            ("schlüssel 1", "a/b=c:d", True),
            ("k", "", True),
            ("k" * 129, "v", False),
            ("k", "v" * 256, False),
            ("", "v", False),
            (" k", "v", False),
            ("_sys_k", "v", False),
            ("a/b", "v", False),
            ("k", "<", False),
        ],
    )
    def test_tags_are_checked(self, key: str, value: str, is_fine: bool) -> None:
        assert (tag_problems(key, value) == []) is is_fine
        if is_fine:
            request = sent_by(lambda api: api.add_tags("n", {key: value}))
            assert json.loads(request.content)["tags"] == [{"key": key, "value": value}]
        else:
            with pytest.raises(ValidationError):
                sent_by(lambda api: api.add_tags("n", {key: value}))

    def test_a_problem_of_a_name_says_what_is_allowed(self) -> None:
        sentences = " ".join(map(str, name_problems("a b" * 50)))
        assert "150" in sentences
        assert "128" in sentences
        assert "hyphens" in sentences

    def test_any_tag_can_be_deleted(self) -> None:
        request = sent_by(lambda api: api.delete_tags("n", ["_sys_old"]))
        assert json.loads(request.content) == {"tags": [{"key": "_sys_old"}]}

    @pytest.mark.parametrize(
        ("answer", "instance_id", "status"),
        [
            (httpx.Response(204), "n", ""),
            (httpx.Response(200, json={"name": "x"}), "n", ""),
            (httpx.Response(201, json=notebook(7)), "n-7", "RUNNING"),
        ],
    )
    def test_the_answer_to_a_write_may_lack_anything(
        self, answer: httpx.Response, instance_id: str, status: str
    ) -> None:
        seen: list[Any] = []
        change = UpdateNotebookRequest(name="x")
        for act in (
            lambda api: seen.append(api.update_instance("n", change)),
            lambda api: seen.append(api.start_instance("n")),
            lambda api: seen.append(api.stop_instance("n")),
        ):
            sent_by(act, answer)
        states = [observation.instance.state() for observation in seen]
        assert {(one.id, one.status) for one in states} == {(instance_id, status)}

    def test_an_answer_that_is_no_document_is_ambiguous(self) -> None:
        odd = httpx.Response(200, content=b"<html>")
        for act in (renew, stop, show):
            assert isinstance(error_of(act, odd), errors.AmbiguousError)


class TestErrors:
    @pytest.mark.parametrize(
        ("act", "status", "code", "kind", "problem"),
        [
            (show, 404, None, errors.InstanceNotFoundError, Problem.GONE),
            (show, 404, "ModelArts.6404", errors.InstanceNotFoundError, Problem.GONE),
            (show, 400, "ModelArts.6404", errors.InstanceNotFoundError, Problem.GONE),
            (show, 400, "ModelArts.6309", errors.InstanceNotFoundError, Problem.GONE),
            (show, 400, "ModelArts.6357", errors.InstanceNotFoundError, Problem.GONE),
            (show, 400, "ModelArts.0102", errors.InstanceNotFoundError, Problem.GONE),
            (renew, 404, None, errors.InstanceNotFoundError, Problem.GONE),
            (
                stop,
                400,
                "ModelArts.6357",
                errors.StateRefusedError,
                Problem.ALREADY_STOPPED,
            ),
            (
                renew,
                400,
                "ModelArts.6357",
                errors.StateRefusedError,
                Problem.OTHER_OPERATION,
            ),
            (renew, 409, None, errors.StateRefusedError, Problem.STATE_CONFLICT),
            (
                renew,
                403,
                "ModelArts.6201",
                errors.PermissionRefusedError,
                Problem.ACCOUNT_SUSPENDED,
            ),
            (stop, 403, None, errors.PermissionRefusedError, Problem.FORBIDDEN),
        ],
    )
    def test_what_an_answer_means_depends_on_the_call(
        self,
        act: Act,
        status: int,
        code: str | None,
        kind: type[errors.ModelArtsError],
        problem: Problem,
    ) -> None:
        error = error_of(act, refusal(status, code))
        assert (type(error), error.message) == (kind, problem)
        assert (error.status, error.error_code) == (status, code)

    @pytest.mark.parametrize("code", [None, "ModelArts.6407", "APIG.0302"])
    def test_a_renewal_without_the_permission_names_it(self, code: str | None) -> None:
        error = error_of(renew, refusal(403, code))
        assert isinstance(error, errors.PermissionRefusedError)
        assert "modelarts:notebook:updateStopPolicy" in error.sentence

    @pytest.mark.parametrize(
        ("act", "status", "code"),
        [
            (listing, 404, None),
            (listing, 405, None),
            (listing, 410, None),
            (listing, 404, "APIG.0101"),
            (listing, 404, "APIGW.0101"),
            (listing, 404, "ModelArts.9999"),
            (show, 404, "APIG.0101"),
            (show, 405, None),
            (show, 410, None),
            (add_tags, 404, "APIG.0101"),
            (list_tags, 404, None),
        ],
    )
    def test_what_the_cloud_does_not_serve(
        self, act: Act, status: int, code: str | None
    ) -> None:
        error = error_of(act, refusal(status, code))
        assert type(error) is errors.NotServedError
        assert not error.retryable

    def test_the_old_generation_may_not_be_served_either(self) -> None:
        cloud = FakeCloud(refusal(404, "APIG.0101"))
        with cloud.client() as client, pytest.raises(errors.NotServedError):
            next(client.demanager.list_instances())

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_a_busy_cloud_serves_it(self, status: int) -> None:
        assert not isinstance(error_of(listing, refusal(status)), errors.NotServedError)


def test_calls_are_counted_with_their_generation() -> None:
    calls: list[Call] = []
    cloud = FakeCloud(fleet(1, own=1))
    with cloud.client(after_call=calls.append) as client:
        list(client.notebooks.list_instances())
        with pytest.raises(errors.ModelArtsError):
            list(client.demanager.list_instances())
    assert [(call.generation, call.operation, call.outcome) for call in calls] == [
        ("notebooks", "list", "ModelArts.0108"),
        ("notebooks", "list_own", "ok"),
        ("demanager", "list", "ok"),
    ]
