"""The billing service: prices of pay-per-use products.

Source: ``docs/modelarts-api.md``, E.1. The price of ``modelarts.vm.cpu.2u`` is that of
the printed sample; the others are invented, in proportion to the hardware.
"""

import json
from decimal import Decimal
from typing import Any

from .behavior import Behavior
from .errors import RefusalError, billing_refusal
from .people import REGION

MAX_PRODUCTS = 100
CURRENCY = "CNY"
#: The region of the fleet, and that of the printed sample.
REGIONS = frozenset({REGION, "cn-north-4"})
#: An hour of each flavor of both generations. A free one costs nothing, and one that
#: is missing here has no price.
HOURLY_PRICES = {
    flavor: Decimal(price)
    for flavor, price in {
        "modelarts.vm.cpu.2u": "3.50",
        "modelarts.vm.cpu.8u": "14.00",
        "modelarts.vm.cpu.16u": "28.00",
        "modelarts.vm.cpu.free": "0",
        "modelarts.vm.gpu.free": "0",
        "modelarts.vm.gpu.t4": "13.20",
        "modelarts.vm.gpu.p100": "19.50",
        "modelarts.vm.gpu.v100": "28.80",
        "modelarts.bm.gpu.v100NV32": "31.64",
        "modelarts.bm.gpu.8v100NV32": "253.12",
        "modelarts.bm.gpu.a100NV80": "52.08",
        "modelarts.kat1.xlarge": "25.50",
        "modelarts.kat1.8xlarge": "204.00",
    }.items()
}

_SERVICE_TYPE = "hws.service.type.modelarts"
_RESOURCE_TYPE = "hws.resource.type.modelarts"
_HOUR = 4
_YUAN = 1
_ID_LENGTH, _TEXT_LENGTH = 64, 400
_TEXTS = {
    "id": _ID_LENGTH,
    "cloud_service_type": _TEXT_LENGTH,
    "resource_type": _TEXT_LENGTH,
    "resource_spec": _TEXT_LENGTH,
    "region": _TEXT_LENGTH,
    "usage_factor": _TEXT_LENGTH,
}


def rate(body: bytes, project_ids: set[str], behavior: Behavior) -> dict[str, Any]:
    """Return the prices of the products in a request.

    Args:
        body: Of the request.
        project_ids: The projects that the caller may name.
        behavior: ``read_prices`` and ``unpriced`` count.

    Raises:
        RefusalError: 400 CBC.0100, .99006006, .99006050 or .99006074; 403 CBC.0151.
    """
    if behavior.read_prices == "refuse":
        raise _denied()
    project_id, products = _parsed(body)
    if project_id not in project_ids:
        raise _denied()
    results = []
    for product in products:
        amount = _amount(product)
        if amount is not None:
            results.append({"id": product["id"], **_money(amount)})
        elif behavior.unpriced == "refuse":
            raise billing_refusal("99006006", "The product is not found.")
    total = sum((Decimal(str(each["amount"])) for each in results), Decimal())
    return {
        **_money(total),
        "currency": CURRENCY,
        "product_rating_results": results,
    }


def _parsed(body: bytes) -> tuple[str, list[dict[str, Any]]]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _invalid("The request body is not a JSON object.")
    project_id, products = document.get("project_id"), document.get("product_infos")
    if not _is_text(project_id, _ID_LENGTH):
        raise _invalid("project_id is invalid.")
    if document.get("inquiry_precision", 0) not in {0, 1}:
        raise _invalid("inquiry_precision is invalid.")
    if not isinstance(products, list) or not 1 <= len(products) <= MAX_PRODUCTS:
        raise _invalid("product_infos is invalid.")
    for product in products:
        _check(product)
    if len({product["id"] for product in products}) != len(products):
        raise _invalid("The ids of the products are not unique.")
    return str(project_id), products


def _check(product: object) -> None:
    """Refuse a product with a mandatory member missing or out of range."""
    if not isinstance(product, dict):
        raise _invalid("product_infos is invalid.")
    for name, longest in _TEXTS.items():
        if not _is_text(product.get(name), longest):
            raise _invalid(f"{name} is invalid.")
    usage = product.get("usage_value")
    if isinstance(usage, bool) or not isinstance(usage, int | float) or usage <= 0:
        raise _invalid("usage_value is invalid.")
    if type(product.get("usage_measure_id")) is not int:
        raise _invalid("usage_measure_id is invalid.")
    number = product.get("subscription_num")
    if type(number) is not int or number < 1:
        raise _invalid("subscription_num is invalid.")
    for name in ("resource_size", "size_measure_id"):
        if name in product and type(product[name]) is not int:
            raise _invalid(f"{name} is invalid.")


def _amount(product: dict[str, Any]) -> Decimal | None:
    """Return what a checked product costs; None for a product that does not exist."""
    known = (
        product["cloud_service_type"] == _SERVICE_TYPE
        and product["resource_type"] == _RESOURCE_TYPE
        and product["region"] in REGIONS
    )
    price = HOURLY_PRICES.get(product["resource_spec"]) if known else None
    if price is None:
        return None
    if product["usage_factor"] != "Duration":
        raise billing_refusal("99006074", "The usage factor does not exist.")
    if product["usage_measure_id"] != _HOUR:
        raise billing_refusal("99006050", "The usage unit is wrong.")
    return (
        price * Decimal(str(product["usage_value"])) * int(product["subscription_num"])
    )


def _money(amount: Decimal) -> dict[str, Any]:
    """Return an amount without discount, as the sample prints one."""
    yuan = float(round(amount, 6))
    return {
        "amount": yuan,
        "discount_amount": 0.0,
        "official_website_amount": yuan,
        "measure_id": _YUAN,
    }


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= longest


def _invalid(message: str) -> RefusalError:
    return billing_refusal("0100", message)


def _denied() -> RefusalError:
    return billing_refusal("0151", "Access denied.", 403)
