from django.db import migrations

from dashboard.audit import guard


def install(apps, schema_editor):
    # SQLite forgets triggers when it rebuilds their table.
    guard.install(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_messages")]

    operations = [
        migrations.RemoveField("auditevent", "reason"),
        migrations.RenameField("auditevent", "reason_message", "reason"),
        migrations.RunPython(install, migrations.RunPython.noop),
    ]
