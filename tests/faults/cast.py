"""Who acts in the stacks of the fault suite."""

PASSWORD = "correct horse battery"
PEOPLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "ada": ("admin", ()),
    "oskar": ("operator", ()),
    "olga": ("operator", ()),
    "anna": ("scientist", ("anna.schmidt",)),
    "vera": ("viewer", ()),
}
"""By name: the role, and the users of the cloud that they are."""
