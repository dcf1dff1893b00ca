"""An attempt gets the time at which its worker took the queue."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("edits", "0004_schedules")]

    operations = [
        migrations.AlterField(
            model_name="attempt",
            name="started_at",
            field=models.DateTimeField(default=django.utils.timezone.now),
        )
    ]
