"""What was stored as a sentence becomes a message; old sentences stay as they are."""

from typing import Any

from django.db import migrations

import dashboard.web.stored_messages

FIELDS = (("Edit", "message"), ("BatchSkip", "reason"), ("EditBatch", "source"))


def keep_sentences(apps: Any, schema_editor: Any) -> None:
    for model, field in FIELDS:
        rows = apps.get_model("edits", model).objects.using(
            schema_editor.connection.alias
        )
        texts = rows.exclude(**{field: ""}).order_by().values_list(field, flat=True)
        for text in list(texts.distinct()):
            message = dashboard.web.stored_messages.verbatim(text)
            rows.filter(**{field: text}).update(**{f"new_{field}": message})


class Migration(migrations.Migration):
    dependencies = [("edits", "0006_late_writes")]

    operations = [
        *(
            migrations.AddField(
                model, f"new_{field}", dashboard.web.stored_messages.MessageField()
            )
            for model, field in FIELDS
        ),
        migrations.RunPython(keep_sentences, migrations.RunPython.noop),
        *(migrations.RemoveField(model, field) for model, field in FIELDS),
        *(
            migrations.RenameField(model, f"new_{field}", field)
            for model, field in FIELDS
        ),
    ]
