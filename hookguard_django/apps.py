"""The Django app: registers the system checks."""

from django.apps import AppConfig
from django.core.checks import Tags, register


class HookguardConfig(AppConfig):
    """hookguard in ``INSTALLED_APPS``."""

    name = "hookguard_django"
    label = "hookguard"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "hookguard"

    def ready(self) -> None:
        """Register the checks."""
        from hookguard_django import checks  # noqa: PLC0415 - checks look at settings, which are ready now

        register(checks.check_settings, Tags.security)
        register(checks.check_urls, Tags.urls)
        register(checks.check_store, Tags.database)
        register(checks.check_deployment, Tags.security, deploy=True)
