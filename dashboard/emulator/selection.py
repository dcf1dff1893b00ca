"""Filter, order and page of a list request.

Source: ``docs/modelarts-api.md``, A.2.
"""

from collections.abc import Iterable
from operator import attrgetter

from .instance import Instance
from .people import User
from .validation import ListQuery


def select(
    instances: Iterable[Instance], query: ListQuery, caller: User
) -> tuple[list[Instance], int]:
    """Return the requested page and the number of all matches.

    An offset beyond the end gives an empty page; no document specifies it.
    """
    matches = [instance for instance in instances if _matches(instance, query, caller)]
    # Names repeat; without the id as second key, pages could overlap.
    field = "name" if query.sort_by == "name" else "created_ms"
    matches.sort(key=attrgetter(field, "id"), reverse=query.descending)
    end = query.offset + query.limit if query.limit else None
    return matches[query.offset : end], len(matches)


def _matches(instance: Instance, query: ListQuery, caller: User) -> bool:
    return (
        (not query.only_own or instance.owner.id == caller.id)
        and query.status in {None, instance.status}
        and query.workspace_id in {None, instance.workspace.id}
        and query.ai_project_id in {None, "default-ai-project"}
        and (
            query.pool_id is None
            or (instance.pool is not None and instance.pool.id == query.pool_id)
        )
    )
