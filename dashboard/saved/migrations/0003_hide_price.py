"""Keep the column of prices off until someone chooses it."""

from typing import Any

from django.db import migrations


def hide_price(apps: Any, _editor: Any) -> None:
    displays = apps.get_model("saved", "ListDisplay").objects
    for display in displays.iterator():
        display.hidden = sorted({*display.hidden, "price"})
        display.save(update_fields=["hidden"])


class Migration(migrations.Migration):
    dependencies = [("saved", "0002_list_display")]

    operations = [migrations.RunPython(hide_price, migrations.RunPython.noop)]
