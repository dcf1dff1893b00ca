"""Names that the audit trail gives to what is exported."""

from django.utils.translation import gettext_lazy

from dashboard.web.stored_messages import define

INSTANCE_LIST = define("saved.instance_list", gettext_lazy("the list of instances"))
