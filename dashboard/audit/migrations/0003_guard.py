"""A migration of its own: PostgreSQL alters no table with pending trigger events."""

from django.db import migrations

from dashboard.audit import guard


def install(apps, schema_editor):
    guard.install(schema_editor.connection)


def lift(apps, schema_editor):
    guard.lift(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]

    operations = [migrations.RunPython(install, lift)]
