"""URLs for signing in and for the user's own account.

They have allauth's names, since its pages reverse them. Not included are allauth's
pages for email addresses, codes by mail, and connecting third-party accounts.
"""

from allauth.account import views as account
from allauth.account.decorators import reauthentication_required
from allauth.socialaccount import views as socialaccount
from allauth.usersessions.views import list_usersessions
from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path, re_path

from dashboard.web.head import head_as_get

from .views import sign_in
from .views.language import language

urlpatterns: list[URLPattern | URLResolver] = [
    path("login/", sign_in.SignInView.as_view(), name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("signup/", account.signup, name="account_signup"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("password/change/", account.password_change, name="account_change_password"),
    path("password/set/", sign_in.no_password, name="account_set_password"),
    path("language/", language, name="account_language"),
    path("2fa/", include("allauth.mfa.urls")),
    # Only ending sessions needs a reauthentication; the list does not.
    path(
        "sessions/",
        head_as_get(reauthentication_required(allow_get=True)(list_usersessions)),
        name="usersessions_list",
    ),
    path(
        "oidc/<str:provider_id>/login/",
        sign_in.sso_begin,
        name="openid_connect_login",
    ),
    path(
        "oidc/<str:provider_id>/login/callback/",
        sign_in.sso_callback,
        name="openid_connect_callback",
    ),
    path(
        "oidc/cancelled/",
        socialaccount.login_cancelled,
        name="socialaccount_login_cancelled",
    ),
]

if settings.CURFEW.mail_url:
    urlpatterns += [
        path("password/reset/", account.password_reset, name="account_reset_password"),
        path(
            "password/reset/done/",
            account.password_reset_done,
            name="account_reset_password_done",
        ),
        re_path(
            r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
            account.password_reset_from_key,
            name="account_reset_password_from_key",
        ),
        path(
            "password/reset/key/done/",
            account.password_reset_from_key_done,
            name="account_reset_password_from_key_done",
        ),
    ]
