from typing import Any

from django.db import migrations, models
from django.db.models.functions import Coalesce, Least


def set_stop_requested_at(apps: Any, _editor: Any) -> None:
    """Count stops that are under way from when they were first seen."""
    apps.get_model("instances", "Instance").objects.filter(status="STOPPING").update(
        stop_requested_at=Coalesce("status_since", "first_seen_at")
    )


class Migration(migrations.Migration):
    dependencies = [("instances", "0004_runs_of_due")]

    operations = [
        migrations.AddField(
            model_name="instance",
            name="stop_requested_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.RunPython(set_stop_requested_at, migrations.RunPython.noop),
        migrations.AddField(
            model_name="instance",
            name="stop_due_at",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(
                        missing_since=None,
                        status="RUNNING",
                        then=Least(
                            Coalesce("stops_at", "stop_requested_at"),
                            Coalesce("stop_requested_at", "stops_at"),
                        ),
                    ),
                    models.When(
                        missing_since=None,
                        status="STOPPING",
                        then=models.F("stop_requested_at"),
                    ),
                ),
                output_field=models.DateTimeField(null=True),
            ),
        ),
        migrations.AddIndex(
            model_name="instance",
            index=models.Index("stop_due_at", name="instance_by_stop_due"),
        ),
    ]
