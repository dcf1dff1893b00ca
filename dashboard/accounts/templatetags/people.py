"""Permissions of the user, as template filters."""

from django import template

from dashboard.accounts import permissions

register = template.Library()

register.filter("can_manage_people", permissions.can_manage_people)
register.filter("has_own_page", permissions.has_own_page)
register.filter("can_manage_channels", permissions.can_manage_channels)
register.filter("can_see_system", permissions.can_see_system)
