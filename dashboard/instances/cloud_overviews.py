"""What each cloud serves, allows and holds, for the page of the clouds."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Count
from django.utils.translation import gettext

from dashboard.accounts.models import User
from dashboard.modelarts.generations import Generation

from .capabilities import Capabilities, capabilities_of
from .durations import exact_text
from .models import Cloud, Instance


@dataclass(frozen=True)
class GenerationOverview:
    """What a cloud holds of one generation of the API.

    Attributes:
        answer: A ``Cloud.Answer``; empty if the cloud was never asked for it.
        count: Number of its instances in the mirror that are not missing.
    """

    cloud: Cloud
    capabilities: Capabilities
    answer: str
    count: int

    @property
    def is_served(self) -> bool:
        return self.answer == Cloud.Answer.SERVED

    @property
    def text(self) -> str:
        return str(Cloud.Answer(self.answer).label) if self.answer else ""

    @property
    def scope(self) -> str:
        """Whose instances are listed, if that depends on rights; else empty."""
        has_scope = self.is_served and self.capabilities.lists_by_rights
        return self.cloud.get_notebooks_scope_display() if has_scope else ""

    @property
    def query(self) -> str:
        """Selects its instances in the list."""
        generation = self.capabilities.generation
        return urlencode({"cloud": self.cloud.name, "generation": generation})


@dataclass(frozen=True)
class CloudOverview:
    cloud: Cloud
    generations: list[GenerationOverview]

    @property
    def longest_run(self) -> str:
        return exact_text(self.cloud.max_run_hours * 3_600)

    @property
    def allowed(self) -> list[str]:
        """What notebooks of some clouds can have, and those of this one, too."""
        allowed = {
            gettext("runs without auto-stop"): self.cloud.allows_no_auto_stop,
            gettext("tags"): self.cloud.has_tags,
        }
        return [text for text, is_allowed in allowed.items() if is_allowed]


def cloud_overviews(user: User) -> list[CloudOverview]:
    """Return an overview of each cloud but the retired ones."""
    present = Instance.objects.visible_to(user).filter(missing_since=None)
    rows = present.order_by().values_list("cloud_id", "generation")
    counts = {
        (cloud_pk, generation): number
        for cloud_pk, generation, number in rows.annotate(number=Count("pk"))
    }
    return [
        CloudOverview(
            cloud,
            [
                GenerationOverview(
                    cloud,
                    capabilities_of(generation),
                    cloud.generations.get(generation, ""),
                    counts.get((cloud.pk, generation.value), 0),
                )
                for generation in Generation
            ],
        )
        for cloud in Cloud.objects.filter(retired_at=None)
    ]
