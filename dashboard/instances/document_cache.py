"""Recognizes unchanged documents, so that they need not be parsed again.

Parsing is most of the work of a refresh, since it checks some hundred members of each
document. In a fleet at rest nearly all documents are those of the last listing, except
for the remaining seconds.

So each process remembers a fingerprint of each document and the content hash that
resulted from it. If the fingerprint is the same and the row still has that hash, there
is nothing to do. A document that was forgotten is parsed once more.
"""

import hashlib
import marshal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dashboard.modelarts.json_reader import Json

from .models import Cloud, Instance

_ALWAYS_PARSED = 5
"""Documents of each page that are parsed, to measure the clock's skew."""


# Fingerprint, ``skew_ms`` and content hash by instance id, for each cloud.
_memories: dict[int, dict[str, tuple[bytes, int, str]]] = {}


class DocumentCache:
    """What this process remembers of one cloud's documents."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._memories = _memories.setdefault(cloud.pk, {})
        self._fingerprints: dict[str, bytes] = {}

    def find_unchanged(self, records: Sequence[Json]) -> set[str]:
        """Return the ids of the records whose rows would not change; one query.

        Args:
            records: One page of a listing, as received.
        """
        documents = {
            instance_id: record
            for record in records
            if isinstance(record, dict)
            and isinstance(instance_id := record.get("id"), str)
        }
        self._fingerprints = {
            instance_id: _fingerprint(document)
            for instance_id, document in documents.items()
        }
        hashes = Instance.objects.filter(
            cloud=self._cloud, instance_id__in=list(documents), missing_since=None
        ).values_list("instance_id", "content_hash")
        unchanged = {
            instance_id
            for instance_id, content_hash in hashes
            if self._memories.get(instance_id)
            == (self._fingerprints[instance_id], self._cloud.skew_ms, content_hash)
        }
        telling_time = [
            instance_id
            for instance_id, document in documents.items()
            if _tells_time(document)
        ]
        # The stop time of these is ignored once it has passed (``mapping.columns``).
        contradicting = {
            instance_id
            for instance_id, document in documents.items()
            if _has_stop_though_off(document)
        }
        return unchanged - set(telling_time[:_ALWAYS_PARSED]) - contradicting

    def remember(self, hashes: Mapping[str, str]) -> None:
        """Remember the results of parsing the page last given to ``find_unchanged``.

        Args:
            hashes: ``content_hash`` by instance id, of documents that determine it
                alone.
        """
        for instance_id, content_hash in hashes.items():
            if fingerprint := self._fingerprints.get(instance_id):
                memory = (fingerprint, self._cloud.skew_ms, content_hash)
                self._memories[instance_id] = memory

    def forget_all_but(self, instance_ids: Iterable[str]) -> None:
        for gone in self._memories.keys() - set(instance_ids):
            del self._memories[gone]


def _tells_time(record: Mapping[str, Json]) -> bool:
    """Return whether the document may contain the cloud's time."""
    is_running = record.get("status") == "RUNNING"
    return "current_time" in record or (is_running and "lease" not in record)


def _has_stop_though_off(record: Mapping[str, Json]) -> bool:
    spec = record.get("spec")
    stop = spec.get("auto_stop") if isinstance(spec, dict) else None
    if not isinstance(stop, dict) or stop.get("stop_timestamp") is None:
        return False
    return stop.get("enable") is not True


def _fingerprint(record: Mapping[str, Json]) -> bytes:
    """Return a hash of the document without the remaining seconds, nor the time."""
    rest: dict[str, Any] = {k: v for k, v in record.items() if k != "current_time"}
    spec, queue = rest.get("spec"), rest.get("queuing_info")
    if isinstance(spec, dict) and isinstance(stop := spec.get("auto_stop"), dict):
        rest["spec"] = spec | {"auto_stop": _without_remaining(stop)}
    if isinstance(queue, dict) and queue.get("end_timestamp"):
        rest["queuing_info"] = _without_remaining(queue)
    # In this version of the format equal values have equal bytes; it takes a fraction
    # of the time of JSON.
    content = marshal.dumps(rest, 2)
    return hashlib.blake2b(content, digest_size=16).digest()


def _without_remaining(part: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in part.items() if key != "remain_time"}
