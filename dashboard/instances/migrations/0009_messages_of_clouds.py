from django.db import migrations

from dashboard.web.stored_messages import MessageField, verbatim

FIELDS = ("problem", "hold_reason")


def keep_the_texts(apps, schema_editor):
    Cloud = apps.get_model("instances", "Cloud")
    for cloud in Cloud.objects.all():
        values = {f"{name}_message": verbatim(getattr(cloud, name)) for name in FIELDS}
        Cloud.objects.filter(pk=cloud.pk).update(**values)


class Migration(migrations.Migration):
    dependencies = [("instances", "0008_late_reasons")]

    operations = [
        *(
            migrations.AddField("cloud", f"{name}_message", MessageField())
            for name in FIELDS
        ),
        migrations.RunPython(keep_the_texts, migrations.RunPython.noop),
        *(migrations.RemoveField("cloud", name) for name in FIELDS),
        *(migrations.RenameField("cloud", f"{name}_message", name) for name in FIELDS),
    ]
