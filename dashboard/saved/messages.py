from django.utils.translation import gettext_lazy as _

from dashboard.web.stored_messages import define

INSTANCE_LIST = define("saved.instance_list", _("the list of instances"))
