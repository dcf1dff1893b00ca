"""Recognises documents that were read before, so that they need not be read again.

Reading is most of a refresh: a tolerant reader asks each of some hundred members of
each document whether it is what it should be. In a fleet at rest nearly all documents
are those of the last listing, but for the seconds that are left.

So each process remembers, for each instance, a fingerprint of the document as received
and the content hash that came of it. Where the fingerprint is the same again, so is the
hash; where the row still has that hash, there is nothing to write and nothing to read.
Whatever is forgotten is only read once more.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dashboard.modelarts.json_reader import Json

from .models import Cloud, Instance

_READ_ANYWAY = 5
"""Running instances of each page, by which the difference of the clocks is told."""


class _Memory(NamedTuple):
    fingerprint: bytes
    skew_ms: int
    content_hash: str


_memories: dict[int, dict[str, _Memory]] = {}


class DocumentCache:
    """What this process remembers of one cloud's documents."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._memories = _memories.setdefault(cloud.pk, {})
        self._fingerprints: dict[str, bytes] = {}

    def unchanged(self, records: Sequence[Json]) -> set[str]:
        """Ids of the records whose rows would come out as they are; one query.

        Args:
            records: One page of a listing, as received.
        """
        self._fingerprints = {
            name: _fingerprint(record)
            for record in records
            if isinstance(record, dict) and isinstance(name := record.get("id"), str)
        }
        hashes = Instance.objects.filter(
            cloud=self._cloud,
            instance_id__in=list(self._fingerprints),
            missing_since=None,
        ).values_list("instance_id", "content_hash")
        found = {
            name
            for name, content_hash in hashes
            if self._memories.get(name)
            == (self._fingerprints[name], self._cloud.skew_ms, content_hash)
        }
        return found - _running(records) - _about_to_contradict(records)

    def remember(self, hashes: Mapping[str, str]) -> None:
        """Remember what came of documents of the last page.

        Args:
            hashes: ``content_hash`` by instance id; only of documents that alone decide
                it.
        """
        for name, content_hash in hashes.items():
            if fingerprint := self._fingerprints.get(name):
                self._memories[name] = _Memory(
                    fingerprint, self._cloud.skew_ms, content_hash
                )

    def forget_all_but(self, names: Iterable[str]) -> None:
        """Keep the memory as small as the fleet."""
        for gone in self._memories.keys() - set(names):
            del self._memories[gone]


def _running(records: Sequence[Json]) -> set[str]:
    found = (
        str(record.get("id"))
        for record in records
        if isinstance(record, dict) and record.get("status") == "RUNNING"
    )
    return {name for name, _ in zip(found, range(_READ_ANYWAY), strict=False)}


def _about_to_contradict(records: Sequence[Json]) -> set[str]:
    """Those whose stop is believed only until it has passed (``mirror.columns``)."""
    return {
        str(record.get("id"))
        for record in records
        if isinstance(record, dict) and _has_stop_though_off(record)
    }


def _has_stop_though_off(record: Mapping[str, Json]) -> bool:
    spec = record.get("spec")
    stop = spec.get("auto_stop") if isinstance(spec, dict) else None
    if not isinstance(stop, dict) or stop.get("stop_timestamp") is None:
        return False
    return stop.get("enable") is not True


def _fingerprint(record: Mapping[str, Json]) -> bytes:
    """Of all but the seconds that are left, which sink with every answer."""
    rest: dict[str, Any] = dict(record)
    spec, queue = rest.get("spec"), rest.get("queuing_info")
    if isinstance(spec, dict) and isinstance(stop := spec.get("auto_stop"), dict):
        rest["spec"] = spec | {"auto_stop": _without_remaining(stop)}
    if isinstance(queue, dict) and queue.get("end_timestamp"):
        rest["queuing_info"] = _without_remaining(queue)
    text = json.dumps(rest, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def _without_remaining(part: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in part.items() if name != "remain_time"}
