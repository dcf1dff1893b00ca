"""The two generations of the ModelArts API for instances.

A cloud may serve either or both. Ids of one generation are not valid in the other.
"""

from enum import StrEnum


class Generation(StrEnum):
    """Which API an instance speaks."""

    DEMANAGER = "demanager"
    """``/v1/{project_id}/demanager/instances``, the older one."""

    NOTEBOOKS = "notebooks"
    """``/v1/{project_id}/notebooks``, whose runs can be extended."""
