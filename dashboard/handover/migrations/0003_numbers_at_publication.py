"""Handovers are numbered when they are published; those there are keep their names."""

from django.db import migrations, models
from django.db.models import F

from dashboard.handover import guard


def install(apps, schema_editor):
    guard.install(schema_editor.connection)


def lift(apps, schema_editor):
    guard.lift(schema_editor.connection)


def number(apps, schema_editor):
    handovers = apps.get_model("handover", "Handover").objects
    handovers.exclude(published_at=None).update(number=F("id"))


class Migration(migrations.Migration):
    dependencies = [("handover", "0002_frozen")]

    operations = [
        migrations.RunPython(lift, migrations.RunPython.noop),
        migrations.AddField(
            model_name="handover",
            name="number",
            field=models.PositiveIntegerField(null=True, unique=True),
        ),
        migrations.RunPython(number, migrations.RunPython.noop),
        migrations.RunPython(install, lift),
    ]
