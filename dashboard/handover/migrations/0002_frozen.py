"""Published handovers are frozen by the database itself."""

from django.db import migrations

from dashboard.handover import guard


def install(apps, schema_editor):
    guard.install(schema_editor.connection)


def lift(apps, schema_editor):
    guard.lift(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("handover", "0001_handovers_and_walls")]

    operations = [migrations.RunPython(install, lift)]
