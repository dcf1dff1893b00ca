"""What was stored as a sentence becomes a message; old sentences stay as they are."""

from typing import Any

from django.db import migrations

import dashboard.web.stored_messages


def keep_sentences(apps: Any, schema_editor: Any) -> None:
    plans = apps.get_model("policies", "PlannedStop").objects
    for plan in plans.using(schema_editor.connection.alias).all():
        plan.new_sentence = dashboard.web.stored_messages.verbatim(plan.sentence)
        plan.save(update_fields=["new_sentence"])


class Migration(migrations.Migration):
    dependencies = [("policies", "0003_last_day")]

    operations = [
        migrations.AddField(
            "PlannedStop", "new_sentence", dashboard.web.stored_messages.MessageField()
        ),
        migrations.RunPython(keep_sentences, migrations.RunPython.noop),
        migrations.RemoveField("PlannedStop", "sentence"),
        migrations.RenameField("PlannedStop", "new_sentence", "sentence"),
    ]
