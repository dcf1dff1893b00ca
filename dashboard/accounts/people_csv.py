"""The columns of a list of people as a CSV file."""

from dashboard.web.csv_files import Layout

COLUMNS = ("username", "name", "email", "role", "owners", "team")
PEOPLE = Layout(
    COLUMNS,
    required=["username"],
    aliases={
        "user": "username",
        "e-mail": "email",
        "owner": "owners",
        "teams": "team",
    },
)
