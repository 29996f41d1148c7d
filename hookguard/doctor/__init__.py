"""``hookguard doctor``: one list of checks, which the commands and the plugins ask about an application.

A check never connects to the outside. The store and the application's own settings are all that it asks.
"""

from hookguard.doctor.application import Application, Finder, Route
from hookguard.doctor.checks import CHECKS, Check, Stage
from hookguard.doctor.examine import Finding, examine

__all__ = ["CHECKS", "Application", "Check", "Finder", "Finding", "Route", "Stage", "examine"]
