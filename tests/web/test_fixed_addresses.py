"""Addresses in templates that are looked up once."""

import re

import pytest
from django.template import Context, Template
from django.templatetags.static import static
from django.urls import NoReverseMatch, set_script_prefix

from dashboard import paths
from dashboard.web.templatetags.fixed_addresses import FixedAddress, FixedFile


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{% url "instances:list" %}', "/instances/"),
        ("{% url name %}", "/instances/"),
        ('{% url "instances:list" as there %}[{{ there }}]', "[/instances/]"),
        ('{% url "nowhere" as there %}[{{ there }}]', "[]"),
        ('{% url "instances:detail" "demo" "DE-1" %}', "/instances/demo/DE-1/"),
    ],
)
def test_as_django_renders_it(source: str, expected: str) -> None:
    page = Template(source)
    for _ in range(2):
        assert page.render(Context({"name": "instances:list"})) == expected


def test_an_address_without_arguments_is_fixed() -> None:
    fixed, other = Template('{% url "home" %}{% url "home" 1 %}').nodelist
    assert isinstance(fixed, FixedAddress)
    assert not isinstance(other, FixedAddress)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(NoReverseMatch):
        Template('{% url "nowhere" %}').render(Context())


def test_the_prefix_of_a_site_counts() -> None:
    page = Template('{% url "instances:list" %}')
    assert page.render(Context()) == "/instances/"
    set_script_prefix("/curfew/")
    try:
        assert page.render(Context()) == "/curfew/instances/"
    finally:
        set_script_prefix("/")


def test_a_file_is_looked_up_once() -> None:
    page = Template('{% static "list.js" %} {% static name %}')
    fixed, _space, other = page.nodelist
    assert isinstance(fixed, FixedFile)
    assert not isinstance(other, FixedFile)
    for name in ("list.js", "bulk.js"):
        rendered = page.render(Context({"name": name}))
        assert rendered == f"{static('list.js')} {static(name)}"


def test_no_template_loads_the_tag_that_looks_up_again() -> None:
    loading = re.compile(r"{% load [^%]*\bstatic\b")
    templates = sorted((paths.FILES / "templates").rglob("*.*"))
    assert len(templates) > 100
    assert [path for path in templates if loading.search(path.read_text())] == []
