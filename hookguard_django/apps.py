"""The Django app: registers the system checks, and keeps the decisions of a worker's views out of Django's log."""

from django.apps import AppConfig
from django.core.checks import Tags, register

#: ``manage.py check --tag hookguard`` runs our checks alone.
TAG = "hookguard"


class HookguardConfig(AppConfig):
    """hookguard in ``INSTALLED_APPS``."""

    name = "hookguard_django"
    label = "hookguard"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "hookguard"

    def ready(self) -> None:
        """Register the checks and the log's filter."""
        from hookguard_django import checks  # noqa: PLC0415 - checks read settings, which are ready now
        from hookguard_django.request_log import log_no_decisions  # noqa: PLC0415 - likewise

        log_no_decisions()
        register(checks.check_settings, Tags.security, TAG)
        register(checks.check_urls, Tags.urls, TAG)
        register(checks.check_store_setting, Tags.database, TAG)
        register(checks.check_deployment, Tags.security, TAG, deploy=True)
