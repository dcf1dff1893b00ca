"""Notes and details become messages: a code with parameters instead of English text."""

from django.db import migrations

from dashboard.web.stored_messages import MessageField, verbatim

FIELDS = (("reminder", "note"), ("attempt", "detail"))


def keep_the_texts(apps, schema_editor):
    for model, name in FIELDS:
        rows = apps.get_model("reminders", model).objects.exclude(**{name: ""})
        for text in rows.order_by().values_list(name, flat=True).distinct():
            values = {f"{name}_message": verbatim(text)}
            rows.filter(**{name: text}).update(**values)


class Migration(migrations.Migration):
    dependencies = [("reminders", "0002_policies")]

    operations = [
        *(
            migrations.AddField(model, f"{name}_message", MessageField())
            for model, name in FIELDS
        ),
        migrations.RunPython(keep_the_texts, migrations.RunPython.noop),
        *(migrations.RemoveField(model, name) for model, name in FIELDS),
        *(
            migrations.RenameField(model, f"{name}_message", name)
            for model, name in FIELDS
        ),
    ]
