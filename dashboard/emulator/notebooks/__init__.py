"""The second generation of the cloud's API: ``/v1/{project_id}/notebooks``.

Source: ``docs/modelarts-api.md``, B, and ``modelarts-notebooks.openapi.yaml``.
"""

from .fleet import NotebookFleet
from .notebook import STATUSES, Notebook

__all__ = ["STATUSES", "Notebook", "NotebookFleet"]
