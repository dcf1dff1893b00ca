"""The emulated cloud's sense of time: faster, movable and possibly wrong."""

import threading
import time


class Clock:
    """Time as the emulated cloud sees it.

    Two readings, because they must differ when time is sped up:

    * ``now_ms`` drives the notebooks, the life of tokens and the ``Date`` header. It
      runs ``speed`` times as fast as the wall clock and can be moved.
    * ``gateway_seconds`` is what the gateway compares signatures with: the wall clock,
      off by the skew. Were it sped up too, no client could sign a request any more
      once fifteen emulated minutes had passed.

    Args:
        speed: Emulated seconds per real second, greater than 0.
        skew_seconds: How far the cloud's clock is ahead of the real one; may be
            negative.
        start_ms: Reading at the start, Unix **milliseconds**; None takes the wall
            clock.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        skew_seconds: float = 0.0,
        start_ms: int | None = None,
    ) -> None:
        if speed <= 0:
            raise ValueError("speed must be greater than 0")
        self._lock = threading.Lock()
        self._speed = speed
        self._skew_seconds = skew_seconds
        self._origin_ms = time.time() * 1000 if start_ms is None else float(start_ms)
        self._origin_monotonic = time.monotonic()

    @property
    def speed(self) -> float:
        """Emulated seconds per real second."""
        return self._speed

    @property
    def skew_seconds(self) -> float:
        """How far the cloud's clock is ahead of the real one, seconds."""
        return self._skew_seconds

    def now_ms(self) -> int:
        """Return the cloud's present, Unix milliseconds."""
        with self._lock:
            return int(self._running_ms() + self._skew_seconds * 1000)

    def gateway_seconds(self) -> float:
        """Return the gateway's present, Unix seconds: neither sped up nor moved."""
        return time.time() + self._skew_seconds

    def advance(self, seconds: float) -> None:
        """Move the cloud's clock forward by emulated seconds, at once.

        Args:
            seconds: At least 0; a cloud does not travel back.

        Raises:
            ValueError: For a negative number.
        """
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        with self._lock:
            self._origin_ms += seconds * 1000

    def set_speed(self, speed: float) -> None:
        """Run at another speed from now on, without a jump.

        Raises:
            ValueError: Unless the speed is greater than 0.
        """
        if speed <= 0:
            raise ValueError("speed must be greater than 0")
        with self._lock:
            self._origin_ms = self._running_ms()
            self._origin_monotonic = time.monotonic()
            self._speed = speed

    def set_skew(self, seconds: float) -> None:
        """Make the cloud's clock wrong by this much, either way."""
        with self._lock:
            self._skew_seconds = seconds

    def _running_ms(self) -> float:
        elapsed = time.monotonic() - self._origin_monotonic
        return self._origin_ms + elapsed * 1000 * self._speed
