from typing import Any

from django.db import migrations

from dashboard.costs.backfill import Models, backfill


def backfill_runs(apps: Any, schema_editor: Any) -> None:
    models = Models(
        instance=apps.get_model("instances", "Instance"),
        run=apps.get_model("costs", "Run"),
        allocation=apps.get_model("costs", "Allocation"),
        roll_up=apps.get_model("costs", "RollUp"),
        audit_event=apps.get_model("audit", "AuditEvent"),
    )
    backfill(models.instance.objects.all(), models)


class Migration(migrations.Migration):
    # A transaction for each part of the fleet, so that its instances are not locked
    # for long.
    atomic = False

    dependencies = [
        ("audit", "0001_initial"),
        ("costs", "0001_initial"),
        ("edits", "0004_schedules"),
        ("instances", "0006_read_at"),
    ]

    operations = [
        migrations.RunPython(backfill_runs, migrations.RunPython.noop, elidable=True),
    ]
