from django.db import migrations
from django.db.models import Value
from django.db.models.functions import JSONObject

from dashboard.audit import guard
from dashboard.web.stored_messages import MessageField


def keep_via(apps, schema_editor):
    guard.lift(schema_editor.connection)
    text = JSONObject(code=Value("verbatim"), params=JSONObject(text="via"))
    events = apps.get_model("audit", "AuditEvent").objects.exclude(via="")
    events.update(via_message=text)


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_reason")]

    operations = [
        migrations.AddField("auditevent", "via_message", MessageField()),
        migrations.RunPython(keep_via, migrations.RunPython.noop),
    ]
