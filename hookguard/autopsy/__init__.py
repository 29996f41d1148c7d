"""Why was a delivery rejected? A bounded search for the change that makes its signature right.

The scheme's own ``verify`` is the only judge, and no provider is named here: presets and schemes say what is theirs. Everything
is for the operator. The sender learns nothing.
"""

from hookguard.autopsy.finding import CAUSES, Autopsy, Cause, Finding, Kind
from hookguard.autopsy.judge import COMMAND_LINE, DEEP, LIVE, Bounds
from hookguard.autopsy.known import Known
from hookguard.autopsy.search import explain

__all__ = ["CAUSES", "COMMAND_LINE", "DEEP", "LIVE", "Autopsy", "Bounds", "Cause", "Finding", "Kind", "Known", "explain"]
