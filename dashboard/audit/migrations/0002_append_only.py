import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="auditevent",
            options={
                "ordering": ["-at", "-pk"],
                "permissions": [("export_auditevent", "Can export audit events")],
            },
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="actor",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="audit_events",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("done", "Done"),
                    ("refused", "Refused"),
                    ("failed", "Failed"),
                ],
                default="done",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="instance",
            field=models.CharField(blank=True, default="", max_length=511),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="auditevent",
            name="address",
            field=models.GenericIPAddressField(null=True),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["instance", "-at"], name="audit_by_instance"),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["actor_label", "-at"], name="audit_by_person"),
        ),
    ]
