from django.db import migrations
from django.db.models import F


def number_by_strictness(apps, schema_editor):
    """Put the shortest maximum first, so that the strictest still counts."""
    rules = apps.get_model("policies", "Rule").objects
    ordered = rules.order_by("kind", F("max_seconds").asc(nulls_first=True), "name")
    for position, rule in enumerate(ordered, start=1):
        rules.filter(pk=rule.pk).update(position=position)


class Migration(migrations.Migration):
    dependencies = [
        ("policies", "0003_tags_and_order"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="rule",
            options={"ordering": ["position", "pk"]},
        ),
        migrations.RunPython(number_by_strictness, migrations.RunPython.noop),
    ]
