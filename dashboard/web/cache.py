import json
from typing import Any


class JSONSerializer:
    """Serializer for Django's Redis cache: JSON, never pickles.

    Django's default unpickles what it reads, so anyone who can write to Redis could run
    code here. Integers stay bare so that Redis can increment them.
    """

    def dumps(self, obj: Any) -> bytes | int:
        if type(obj) is int:
            return obj
        return json.dumps(obj).encode()

    def loads(self, data: bytes | str) -> Any:
        """Decode; a value that is not JSON reads as absent (None)."""
        try:
            return json.loads(data)
        except ValueError:
            return None
