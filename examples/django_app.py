"""A Django project in one file that receives GitHub's and Stripe's webhooks.

Start it (the secrets are the ones you gave GitHub, and Stripe gave you):

    export GITHUB_SECRET=a-secret-of-your-own-choosing STRIPE_SECRET=whsec_shown-in-the-dashboard
    python examples/django_app.py runserver 8000

Send it something, from another terminal:

    hookguard send http://127.0.0.1:8000/hooks/github github --secret a-secret-of-your-own-choosing \
        --type push --id 1 --body '{"ref": "refs/heads/main"}'
"""

import os
import sys
from pathlib import Path

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    BASE_DIR=Path.cwd(),  # where hookguard.sqlite3 is kept
    DATA_UPLOAD_MAX_MEMORY_SIZE=25 << 20,  # what GitHub sends at most; Django's own default is 2.5 MiB
    INSTALLED_APPS=["hookguard_django"],
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["console"], "level": "INFO"},  # shows one line for each delivery
    },
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.urandom(32).hex(),
    HOOKGUARD={
        "ENDPOINTS": {
            "github": {"SECRETS": [os.environ.get("GITHUB_SECRET")]},
            "stripe": {"SECRETS": [os.environ.get("STRIPE_SECRET")]},
        }
    },
)

from hookguard import Event  # noqa: E402 - Django wants its settings first
from hookguard_django import WebhookRequest, WebhookView, webhook  # noqa: E402


@webhook("github")
def github(request: WebhookRequest) -> HttpResponse:
    if request.webhook.type == "push":
        print("pushed to", request.webhook.json()["ref"], flush=True)
    return HttpResponse(status=204)


class Stripe(WebhookView):
    endpoint = "stripe"

    def received(self, request: HttpRequest, event: Event) -> HttpResponse:
        if event.type == "invoice.paid":
            print("paid:", event.id, flush=True)
        return HttpResponse(status=204)


urlpatterns = [path("hooks/github", github), path("hooks/stripe", Stripe.as_view())]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
