from django.db import migrations

from dashboard.audit import guard


def install(apps, schema_editor):
    # SQLite forgets triggers when it rebuilds their table.
    guard.install(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_via_message")]

    operations = [
        migrations.RemoveField("auditevent", "via"),
        migrations.RenameField("auditevent", "via_message", "via"),
        migrations.RunPython(install, migrations.RunPython.noop),
    ]
