"""What a template file becomes before Django compiles it."""

from pathlib import Path

from django.template import Engine


def engine(folder: Path) -> Engine:
    loaders = ["dashboard.web.template_loader.Loader"]
    return Engine(dirs=[str(folder)], loaders=loaders)


def test_one_space_stands_for_the_indentation_of_a_line(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<a\n    b>\n\n\t\t{{ text }}\n</a>  c\n")
    page = engine(tmp_path).render_to_string("page.html", {"text": "\n    as it is"})
    assert page == "<a\n b>\n\n \n    as it is\n</a>  c\n"


def test_a_text_keeps_its_indentation(tmp_path: Path) -> None:
    (tmp_path / "mail.txt").write_text("Hello,\n    quoted\n")
    assert engine(tmp_path).render_to_string("mail.txt") == "Hello,\n    quoted\n"
