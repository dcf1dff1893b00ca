"""Prices of flavors, by the billing service of the cloud.

Source: ``docs/modelarts-api.md``, E.1; Customer Operation Capabilities API Reference,
"Querying the Price of a Pay-Per-Use Product".
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from dashboard.modelarts import responses
from dashboard.modelarts.cloud_config import BILLING_KEY, CloudConfig
from dashboard.modelarts.connection import Connection, Exchange
from dashboard.modelarts.endpoints import region_of
from dashboard.modelarts.errors import (
    AmbiguousError,
    ConfigurationError,
    InvalidInputError,
    ModelArtsError,
    NotSentError,
    NotServedError,
    PermissionRefusedError,
    RefusedError,
    StateRefusedError,
    ThrottledError,
)
from dashboard.modelarts.json_reader import Json
from dashboard.modelarts.messages import Problem, ProblemText

BILLING = "billing"
"""Stands for a generation of the API in the metrics."""

MAX_PRODUCTS = 100
"""How many products a request may have."""

MAX_FLAVOR_LENGTH = 400
"""Longest name of a product, in characters."""

_PATH = "/v2/bills/ratings/on-demand-resources"
_YUAN = "1"  # the unit of an amount: its currency's main one
_MOST = Decimal(10) ** 9
_LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True)
class Rating:
    """What an hour of a flavor costs.

    Attributes:
        amount: To be paid, after discounts.
        official_amount: By the public price list; None if the answer lacks it.
        currency: Three letters, such as ``CNY``.
    """

    amount: Decimal
    official_amount: Decimal | None
    currency: str


class RatingsApi:
    """The call for prices; it raises only ``ModelArtsError``."""

    def __init__(self, connection: Connection, config: CloudConfig) -> None:
        self._connection = connection
        self._config = config

    @property
    def unavailable(self) -> ProblemText | None:
        """Why this cloud cannot be asked for prices; None if it can."""
        cloud = {"cloud": repr(self._config.name), "key": BILLING_KEY}
        if self._config.billing_endpoint is None:
            return ProblemText(Problem.CLOUD_WITHOUT_BILLING, cloud)
        if self._region() is None:
            return ProblemText(Problem.CLOUD_WITHOUT_BILLING_REGION, cloud)
        return None

    def hourly_prices(self, flavors: Iterable[str]) -> dict[str, Rating]:
        """Return the price of an hour of each flavor, while it runs.

        The service refuses a request as a whole if it does not know one of the
        products, without naming it. Such a request is halved until the product is
        found, so a few unknown flavors among many take some ten calls each.

        Returns:
            The prices by flavor, without those for which the service names none.

        Raises:
            ConfigurationError: The cloud cannot be asked; see ``unavailable``.
            PermissionRefusedError: The account may not read prices.
            NotServedError: There is no billing service at the address.
            ModelArtsError: Any other failure.
        """
        if (reason := self.unavailable) is not None:
            raise ConfigurationError(*reason)
        names = [
            flavor
            for flavor in dict.fromkeys(flavors)
            if 0 < len(flavor) <= MAX_FLAVOR_LENGTH
        ]
        prices: dict[str, Rating] = {}
        for begin in range(0, len(names), MAX_PRODUCTS):
            prices |= self._rated(names[begin : begin + MAX_PRODUCTS])
        return prices

    def _rated(self, flavors: Sequence[str]) -> dict[str, Rating]:
        """Return the prices of at most ``MAX_PRODUCTS`` flavors."""
        try:
            return dict(_ratings(self._ask(flavors), flavors))
        except ModelArtsError as error:
            if error.message is not Problem.NO_PRICE:
                raise
        if len(flavors) == 1:
            return {}
        half = len(flavors) // 2
        return self._rated(flavors[:half]) | self._rated(flavors[half:])

    def _ask(self, flavors: Sequence[str]) -> httpx.Response:
        region = self._region()
        products = [
            {
                "id": str(number),
                "cloud_service_type": "hws.service.type.modelarts",
                "resource_type": "hws.resource.type.modelarts",
                "resource_spec": flavor,
                "region": region,
                "resource_size": 1,
                "size_measure_id": 14,
                "usage_factor": "Duration",
                "usage_value": 1,
                "usage_measure_id": 4,  # hours
                "subscription_num": 1,
            }
            for number, flavor in enumerate(flavors, start=1)
        ]
        exchange = Exchange(
            BILLING,
            "rate",
            "POST",
            _PATH,
            {"product_infos": products},
            service=self._config.billing_endpoint,
        )
        try:
            return self._connection.send(exchange)
        except ModelArtsError as error:
            _reword(error)
            raise

    def _region(self) -> str | None:
        return self._config.region or region_of(self._config.endpoint)


def _ratings(
    response: httpx.Response, flavors: Sequence[str]
) -> Iterator[tuple[str, Rating]]:
    """Yield the flavors with a price that can be read."""
    document = _document(response)
    results, currency = document.get("product_rating_results"), document.get("currency")
    if not (isinstance(results, list) and _is_currency(currency)):
        raise AmbiguousError(Problem.BILLING_NO_ANSWER, status=response.status_code)
    by_id: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        if isinstance(result, dict):
            by_id.setdefault(str(result.get("id")), []).append(result)
    for number, flavor in enumerate(flavors, start=1):
        match by_id.get(str(number)):
            case [result]:
                official = _amount(result, "official_website_amount")
                amount = _amount(result, "amount")
                if amount is not None:
                    yield flavor, Rating(amount, official, str(currency))
            case _:
                pass  # No price, or two that contradict each other.


def _document(response: httpx.Response) -> dict[str, Json]:
    try:
        return responses.read_document(response)
    except AmbiguousError as error:
        _reword(error)
        raise


def _amount(result: dict[str, Any], name: str) -> Decimal | None:
    """Return an amount; None if it is absent, unreadable or in an unknown unit."""
    if str(result.get("measure_id", _YUAN)) != _YUAN:
        return None
    value = result.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value)
    if len(text) > _LONGEST_NUMBER or not text.isascii() or "_" in text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < _MOST else None


def _is_currency(value: Json) -> bool:
    return (
        isinstance(value, str)
        and len(value) == 3
        and value.isascii()
        and value.isalpha()
        and value.isupper()
    )


def _reword(error: ModelArtsError) -> None:
    """Let an error name the billing service instead of ModelArts.

    The errors of the sign-in and of our own rate limit keep their messages.
    """
    if error.message.name.startswith(("SIGN_IN_", "CLOUD_")):
        return
    match error:
        case NotServedError() | RefusedError(message=Problem.REDIRECTED):
            message = Problem.NO_BILLING_SERVICE
        case NotSentError() if error.message is not Problem.TOO_MANY_CALLS:
            message = Problem.BILLING_UNREACHABLE
        case AmbiguousError():
            message = Problem.BILLING_NO_ANSWER
        case PermissionRefusedError(message=Problem.FORBIDDEN | Problem.NO_RIGHTS):
            message = Problem.NO_BILLING_RIGHT
        case ThrottledError() if error.status is not None:
            message = Problem.TOO_MANY_REQUESTS
        case InvalidInputError() if error.message is not Problem.NO_PRICE:
            message = Problem.BILLING_REFUSED
        case RefusedError() | StateRefusedError():
            message = Problem.BILLING_REFUSED
        case _:
            return
    error.message, error.params = message, {}
