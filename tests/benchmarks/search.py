"""Search for a part of a word in 100,000 instances, beside a scan of their texts.

::

    uv run --group dev python -m tests.benchmarks --only search

This module measures in a process of its own, for the settings of one database, and
prints JSON.
"""

import json
import random
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from tests import migrated

from .place import measure_on

WORDS = {
    "part of one id": "",  # chosen from the rows
    "no row": "xyzzy",
    "some rows": "forecast-00",
    "every eighth row": "okafor",
    "every third row": "train",
    "every row, two letters": "de",
}
NAMES = (
    *("train", "ranking", "churn", "forecast", "vision", "speech", "resnet", "demo"),
    *("tuning", "batch", "stream", "pricing", "risk", "fraud", "intent", "video"),
)
OWNERS = ("schmidt", "becker", "wei", "raman", "groß", "costa", "khan", "okafor")


def search(database: str, *, instances: int, rounds: int) -> dict[str, Any]:
    """Return ms of each word, on ``SQLite`` or ``PostgreSQL``.

    By word and by what is asked (number of rows, first page of the list): with the
    index, and without.
    """
    return measure_on(database, __name__, [instances, rounds])


def fill(instances: int) -> None:
    from django.db import connection
    from django.utils import timezone

    from dashboard.instances.models import Cloud, Instance

    migrated.migrate()
    chance = random.Random(1)  # noqa: S311 (repeatable on purpose)
    cloud = Cloud.objects.create(name="demo")
    now = timezone.now()

    def instance(number: int) -> Instance:
        name = f"{chance.choice(NAMES)}-{number:05}"
        owner, words = chance.choice(OWNERS), chance.choices(NAMES, k=5)
        instance_id = f"DE-{chance.getrandbits(128):032x}"
        return Instance(
            cloud=cloud,
            instance_id=instance_id,
            name=name,
            owner_name=owner,
            status=chance.choice(["RUNNING", "STOPPED"]),
            stops_at=now,
            first_seen_at=now,
            document={"filling": [f"{chance.random()}" for _ in range(90)]},
            search_text="\n".join([name, *words, owner, instance_id]).casefold(),
        )

    # A transaction each: PostgreSQL ends one that idles while rows are made up.
    for first in range(0, instances, 1_000):
        Instance.objects.bulk_create(map(instance, range(first, first + 1_000)))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE")


def measure(instances: int, rounds: int) -> dict[str, dict[str, tuple[float, float]]]:
    import django

    django.setup()
    from django.db.models import TextField, Value
    from django.db.models.functions import Concat
    from django.db.models.lookups import Contains

    from dashboard.instances.filters import ordered
    from dashboard.instances.models import Instance
    from dashboard.instances.search import with_words

    fill(instances)
    every = Instance.objects.all()
    WORDS["part of one id"] = every.order_by("pk")[instances // 2].instance_id[5:15]
    found = {}
    for what, word in WORDS.items():
        indexed = with_words(every, word.casefold())
        # An expression that no index is for.
        text = Concat("search_text", Value(""), output_field=TextField())
        scanned = every.filter(Contains(text, word.casefold()))
        page = [ordered(each, "stops_in")[:100] for each in (indexed, scanned)]
        found[what] = {
            "count": _in_turns(indexed.count, scanned.count, rounds),
            "page": _in_turns(
                *(
                    lambda rows=rows: [*rows.values_list("pk", "version")]
                    for rows in page
                ),
                rounds,
            ),
        }
    return found


def _in_turns(
    one: Callable[[], object], other: Callable[[], object], rounds: int
) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, taken in zip((one, other), times, strict=True):
            began = time.perf_counter()
            work()
            taken.append((time.perf_counter() - began) * 1000)
    return median(times[0]), median(times[1])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(*map(int, sys.argv[1:]))))
