"""Filter, order and page of a list request.

Source: ``docs/modelarts-api.md``, B.2.
"""

from collections.abc import Callable, Sequence
from typing import Any

from .notebook import Notebook
from .requests import NotebookQuery

_SORT_VALUES: dict[str, Callable[[Notebook], Any]] = {
    "name": lambda notebook: notebook.name,
    "status": lambda notebook: notebook.status,
    "create_at": lambda notebook: notebook.created_ms,
    "update_at": lambda notebook: notebook.updated_ms,
    "flavor": lambda notebook: notebook.flavor.id,
    "id": lambda notebook: notebook.id,
}
_FILTERS: dict[str, Callable[[Notebook, str], bool]] = {
    "flavor": lambda notebook, value: notebook.flavor.id == value,
    "image_id": lambda notebook, value: notebook.image.id == value,
    "id": lambda notebook, value: notebook.id == value,
    "billing": lambda notebook, value: value.upper() in notebook.billing_items,
    "swr_path": lambda notebook, value: value in notebook.image.swr_path,
    "pool_name": lambda notebook, value: (
        notebook.pool is not None and value in notebook.pool.name
    ),
    "description": lambda notebook, value: value in notebook.description,
    "username": lambda notebook, value: value in notebook.owner.name,
}


def newest_first(notebooks: Sequence[Notebook]) -> list[Notebook]:
    """Return the usual order; without the id, pages could overlap."""
    return sorted(notebooks, key=lambda n: (n.created_ms, n.id), reverse=True)


def select(
    ordered: Sequence[Notebook], query: NotebookQuery, owner_id: str | None
) -> tuple[list[Notebook], int]:
    """Return the requested page and the number of all matches.

    An offset beyond the end gives an empty page; no document specifies it.

    Args:
        ordered: All notebooks, newest first.
        owner_id: Whose notebooks; None for everybody's.
    """
    matches: Sequence[Notebook] = [
        notebook
        for notebook in ordered
        if notebook.feature == query.feature
        and (owner_id is None or notebook.owner.id == owner_id)
    ]
    if not query.is_plain:
        matches = [notebook for notebook in matches if _matches(notebook, query)]
        values = [_SORT_VALUES[key] for key in query.sort_keys]
        matches = sorted(
            matches,
            key=lambda n: (*(value(n) for value in values), n.id),
            reverse=query.descending,
        )
    return list(matches[query.offset : query.offset + query.limit]), len(matches)


def _matches(notebook: Notebook, query: NotebookQuery) -> bool:
    return (
        (query.name is None or query.name in notebook.name)
        and query.owner_id in {None, notebook.owner.id}
        and query.status in {None, notebook.status}
        and query.workspace_id in {None, notebook.workspace.id}
        and (
            query.pool_id is None
            or (notebook.pool is not None and notebook.pool.id == query.pool_id)
        )
        and all(_FILTERS[name](notebook, value) for name, value in query.filters)
    )
