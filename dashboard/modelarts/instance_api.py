"""What the calls of both generations have in common."""

from collections.abc import Iterable, Iterator, Set as AbstractSet
from typing import Any, Protocol

from dashboard.modelarts.generations import Generation
from dashboard.modelarts.results import FindUnchanged, InstancePage, Observation


class InstanceApi(Protocol):
    """The calls for instances of one generation.

    Each raises ``errors.ModelArtsError``. A call that the cloud does not serve raises
    ``errors.NotServedError``.
    """

    @property
    def generation(self) -> Generation: ...

    def list_instances(
        self,
        *,
        page_size: int = ...,
        find_unchanged: FindUnchanged | None = None,
        offset: int = 0,
        seen: Iterable[str] = (),
        expected: int = 0,
    ) -> Iterator[InstancePage]:
        """Yield the pages of the listing, with one request for each.

        The instances may change between pages: the listing is complete only if it
        contained ``total_count`` instances. An instance that is on two pages is
        returned once.

        Args:
            page_size: Most records per request, at least 1. A generation with fixed
                sizes takes the next smaller one.
            find_unchanged: Called with the records of each page as received; returns
                the ids of those that need not be parsed, which is most of the work.
            offset: Where to continue an earlier listing; 0 begins a new one.
            seen: Ids that the earlier listing returned.
            expected: How many instances the caller knows. With fewer, the listing ends
                only at an empty page.

        Yields:
            At least one page. The last is empty, has only instances of earlier pages,
            or is a short page that reaches ``total_count``.
        """
        ...

    @property
    def page_size(self) -> int:
        """How many records ``list_by_age`` returns at most."""
        ...

    def list_by_age(self, offset: int, wanted: AbstractSet[str]) -> InstancePage:
        """Read one page of the listing in the order of creation, the oldest first.

        Args:
            offset: How many older instances to skip.
            wanted: Ids of the instances to parse, which is most of the work.
        """
        ...

    def show_instance(self, instance_id: str, /) -> Observation:
        """Read one instance.

        Raises:
            InstanceNotFoundError: It does not exist.
        """
        ...

    def start_instance(
        self, instance_id: str, /, run_seconds: int | None = None
    ) -> Any:
        """Start an instance.

        Args:
            instance_id: An instance that is not running.
            run_seconds: Run time, seconds; None leaves it to the cloud. Only notebooks
                take one.

        Raises:
            StateRefusedError: For example, it is already running or starting.
        """
        ...

    def stop_instance(self, instance_id: str, /) -> Any:
        """Stop an instance.

        Raises:
            StateRefusedError: For example, it is already stopped or stopping.
        """
        ...
