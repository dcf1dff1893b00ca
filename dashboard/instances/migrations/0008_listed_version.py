from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("instances", "0007_index_of_flavors"),
    ]

    operations = [
        migrations.AddField(
            model_name="fleetversion",
            name="listed_version",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
    ]
