"""Search by parts of words: what it finds, with the index and without."""

from typing import Any

import pytest
from django.db import connection
from hypothesis import given, settings, strategies as st
from hypothesis.extra.django import TestCase

from dashboard.instances import search, search_index
from dashboard.instances.models import Instance
from tests import factories

pytestmark = pytest.mark.django_db

# Pieces that texts and words share, so that words are found in some of them.
PIECES = (
    *("train", "Train", "TRAİN", "straße", "STRASSE", "ﬁne", "\u017fs", "ᏣᎳᎩ"),
    *("模型训练", "训练", "👩🏽‍🔬", "🚀🚀🚀", "é", "e\u0301", "\u0301\u0301\u0301"),
    *('"', '""', "'", "%", "_", "\\", "%%%", "___", "\\\\\\", "a%b", "a_b"),
    *("*", "^", "AND", "OR NOT", "(", ")", "NEAR(", "search_text:", "-", "+", ":"),
    *("\ufffd", "\u200d", "\u00ad", "\u2028", "\x01", "\x7f", "ǆ", "Ǆ", "ΣΑΣ", "σας"),
    *("a", "ab", "0123456789", "\n", "\t", "\u3000", "\xa0"),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)


class TestIndexed(TestCase):  # type: ignore[misc]  # untyped
    """The same rows as a scan of all texts finds."""

    @settings(max_examples=80, deadline=None)
    @given(
        texts=st.lists(TEXTS, min_size=1, max_size=5), looked_for=TEXTS, data=st.data()
    )
    def test_finds_what_a_scan_finds(
        self, texts: list[str], looked_for: str, data: st.DataObject
    ) -> None:
        Instance.objects.all().delete()
        for text in texts:
            factories.make_instance(search_text=text.casefold())
        inside = data.draw(st.sampled_from(texts))
        begin = data.draw(st.integers(0, len(inside)))
        for wanted in (looked_for, inside, inside[begin:], inside[:begin]):
            scanned = Instance.objects.all()
            for word in wanted.casefold().split()[:8]:
                scanned = scanned.filter(search_text__contains=word)
            found = search.with_words(Instance.objects.all(), wanted)
            assert {*found.values_list("pk")} == {*scanned.values_list("pk")}
            # In a page, and the opposite.
            page = found.order_by("pk")[:3].values_list("pk")
            assert [*page] == [*scanned.order_by("pk")[:3].values_list("pk")]
            others = Instance.objects.exclude(pk__in=found)
            assert others.count() == len(texts) - scanned.count()


def found(text: str) -> list[str]:
    rows = search.with_words(Instance.objects.order_by("name"), text)
    return [row.name for row in rows]


def test_trigrams_in_another_order_are_not_the_word() -> None:
    factories.make_instance(name="one", search_text="bab aba")
    factories.make_instance(name="two", search_text="xababax")
    assert found("ababa") == ["two"]


def test_a_text_that_changes_is_found_by_its_new_words_only() -> None:
    one = factories.make_instance(name="one", search_text="ranking model")
    two = factories.make_instance(name="two", search_text="churn model")
    assert found("model") == ["one", "two"]
    one.search_text = "speech"
    Instance.objects.bulk_update([one, two], ["search_text", "status"])
    assert (found("ranking"), found("speech"), found("churn")) == ([], ["one"], ["two"])
    Instance.objects.filter(pk=two.pk).update(search_text="risk model")
    assert (found("churn"), found("isk mod")) == ([], ["two"])
    two.delete()
    assert found("model") == []


@pytest.fixture
def many(db: None) -> None:
    """Enough rows for the planner to prefer an index."""
    first = factories.make_instance(search_text="alpha")
    rows = []
    for number in range(2_100):
        row = Instance(
            cloud=first.cloud,
            instance_id=f"many-{number}",
            name=f"many-{number}",
            first_seen_at=first.first_seen_at,
            document={"filling": "x" * 500},
            search_text=f"common text {hash(number / 7):x}",
        )
        rows.append(row)
    Instance.objects.bulk_create(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE instances_instance")
        if connection.vendor == "postgresql":
            # It reads so small a table faster.
            cursor.execute("SET LOCAL enable_seqscan = off")


@pytest.mark.usefixtures("many")
def test_a_rare_word_is_found_by_the_index() -> None:
    rows = search.with_words(Instance.objects.all(), "lph").values_list("pk")
    if connection.vendor == "postgresql":
        assert "Bitmap Index Scan on instances_search" in rows.explain()
        return
    for plan in (rows.explain(), rows.order_by("status")[:10].explain()):
        assert "SCAN instances_search VIRTUAL TABLE" in plan
        assert "SEARCH instances_instance USING INTEGER PRIMARY KEY" in plan
        assert "SCAN instances_instance" not in plan


@pytest.mark.usefixtures("many")
def test_a_common_word_is_looked_for_in_the_order_of_the_list() -> None:
    rows = search.with_words(Instance.objects.order_by("version"), "common")
    plan = rows[:10].values_list("pk").explain()
    assert "instance_by_version" in plan
    assert "instances_search" not in plan
    assert rows.count() == 2_100
    # Where all of them are read anyway, SQLite begins with the index.
    if connection.vendor == "sqlite":
        assert "instances_search" in rows.order_by().values_list("pk").explain()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps it up")
class TestOnSQLite:
    """The index is a table that triggers keep up."""

    def test_unchanged_texts_are_not_indexed_again(self) -> None:
        one = factories.make_instance(search_text="ranking model")
        before = indexed()
        Instance.objects.bulk_update([one, one], ["search_text", "status"])
        Instance.objects.filter(pk=one.pk).update(search_text="ranking model")
        assert indexed() == before
        Instance.objects.filter(pk=one.pk).update(search_text="ranking models")
        assert indexed() != before

    def test_migrate_mends_it_after_a_table_was_rebuilt(self) -> None:
        one = factories.make_instance(name="one", search_text="ranking model")
        # What a migration that rebuilds the table does to its triggers.
        with connection.cursor() as cursor:
            for name in ("insert", "update", "delete"):
                cursor.execute(f"DROP TRIGGER {search_index.TABLE}_{name}")
        assert not search_index.exists(connection)
        Instance.objects.filter(pk=one.pk).update(search_text="speech")
        assert found("speech") == []
        search_index.create(connection)
        assert search_index.exists(connection)
        assert (found("speech"), found("ranking")) == (["one"], [])

    def test_without_fts5_the_texts_are_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        factories.make_instance(name="one", search_text="ranking model")
        monkeypatch.setattr(search_index, "has_fts5", lambda: False)
        rows = search.with_words(Instance.objects.all(), "ranking")
        assert "instances_search" not in str(rows.query)
        assert found("king mod") == ["one"]


def indexed() -> Any:
    """The index as it is stored."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM instances_search_data ORDER BY id")
        return cursor.fetchall()
