from django.urls import path

from .views import tokens

app_name = "tokens"
urlpatterns = [
    path("accounts/tokens/", tokens.mine, name="mine"),
    path("accounts/tokens/<int:token_id>/revoke/", tokens.revoke, name="revoke"),
    path("people/tokens/", tokens.all_tokens, name="all"),
]
