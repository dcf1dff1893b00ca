"""Measured times in a few numbers."""

from collections.abc import Iterable


def figures(seconds: Iterable[float]) -> str:
    """The usual, the worst but five of a hundred, the worst but one, and the worst."""
    ordered = sorted(seconds)
    if not ordered:
        return "not measured"
    shares = (0.5, 0.95, 0.99)
    found = [ordered[int(share * (len(ordered) - 1))] for share in shares]
    return "p50/p95/p99/max " + "/".join(f"{one:.2f}" for one in [*found, ordered[-1]])
