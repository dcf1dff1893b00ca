from django import template

register = template.Library()


@register.inclusion_tag("system/_tone.html")
def tone_chip(tone: str) -> dict[str, str]:
    """Render how a part is doing."""
    return {"tone": tone}


@register.filter
def signed(number: int) -> str:
    """Format a number with its sign, minus as typographers have it."""
    return f"{number:+d}".replace("-", "\N{MINUS SIGN}")
