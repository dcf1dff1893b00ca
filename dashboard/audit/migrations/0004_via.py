from django.db import migrations, models

from dashboard.audit import guard


def install(apps, schema_editor):
    # SQLite forgets triggers when it rebuilds their table.
    guard.install(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_guard")]

    operations = [
        migrations.AddField(
            model_name="auditevent",
            name="via",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=80
            ),
        ),
        migrations.RunPython(install, migrations.RunPython.noop),
    ]
