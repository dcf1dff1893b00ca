import threading
import time


class Clock:
    """The emulated cloud's clocks: faster, movable and possibly wrong.

    ``now_ms`` is the time of notebooks, tokens and the ``Date`` header. It runs
    ``speed`` times as fast as the wall clock and can be moved. ``gateway_seconds``, the
    wall clock plus the skew, is compared with signatures. If it ran faster too, no
    client could sign a request after fifteen emulated minutes.

    Args:
        speed: Emulated seconds per real second, greater than 0.
        skew_seconds: How far the cloud's clock is ahead; may be negative.
        start_ms: Initial time, Unix **milliseconds**; None takes the wall clock.
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
        return self._speed

    @property
    def skew_seconds(self) -> float:
        return self._skew_seconds

    def now_ms(self) -> int:
        with self._lock:
            return int(self._running_ms() + self._skew_seconds * 1000)

    def gateway_seconds(self) -> float:
        """Return the gateway's time, Unix seconds: neither sped up nor moved."""
        return time.time() + self._skew_seconds

    def advance(self, seconds: float) -> None:
        """Move the cloud's clock forward by emulated seconds."""
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        with self._lock:
            self._origin_ms += seconds * 1000

    def set_speed(self, speed: float) -> None:
        """Change the speed, without a jump of the clock."""
        if speed <= 0:
            raise ValueError("speed must be greater than 0")
        with self._lock:
            self._origin_ms = self._running_ms()
            self._origin_monotonic = time.monotonic()
            self._speed = speed

    def set_skew(self, seconds: float) -> None:
        with self._lock:
            self._skew_seconds = seconds

    def _running_ms(self) -> float:
        elapsed = time.monotonic() - self._origin_monotonic
        return self._origin_ms + elapsed * 1000 * self._speed
