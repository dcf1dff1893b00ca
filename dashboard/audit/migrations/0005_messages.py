from django.db import migrations
from django.db.models import Value
from django.db.models.functions import JSONObject

from dashboard.audit import guard
from dashboard.web.stored_messages import MessageField


def keep_reasons(apps, schema_editor):
    guard.lift(schema_editor.connection)
    text = JSONObject(code=Value("verbatim"), params=JSONObject(text="reason"))
    events = apps.get_model("audit", "AuditEvent").objects.exclude(reason="")
    events.update(reason_message=text)


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_via")]

    operations = [
        migrations.AddField("auditevent", "actor_message", MessageField()),
        migrations.AddField("auditevent", "target_message", MessageField()),
        migrations.AddField("auditevent", "reason_message", MessageField()),
        migrations.RunPython(keep_reasons, migrations.RunPython.noop),
    ]
