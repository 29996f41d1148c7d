"""The checks: each with its id, the symptom that it prevents, and the fix. The ids never change."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from hookguard.remarks import Level

__all__ = ["BY_ID", "CHECKS", "Check", "Stage"]

#: The need of a check: the settings, the routes, an answer of the store, or knowledge of where the application is deployed.
Stage = Literal["settings", "routes", "store", "deployment"]


class Check(NamedTuple):
    """One check. ``about`` is the state that it wants, ``symptom`` what happens otherwise, and ``fix`` the usual fix."""

    id: str
    level: Level
    stage: Stage
    about: str
    symptom: str
    fix: str


#: Every check, the most valuable first.
CHECKS: Final = (
    Check(
        "C1",
        "error",
        "settings",
        "the settings are valid",
        "the application does not start",
        "Change the setting that the sentence names.",
    ),
    Check(
        "C2",
        "error",
        "routes",
        "a guarded view names an endpoint of the settings, and the store can serve it",
        "500 at the first delivery",
        "Name an endpoint of the settings, or write the view in the way that the sentence names.",
    ),
    Check(
        "S1",
        "error",
        "settings",
        "each secret is set and has at least 16 bytes",
        "the application does not start, or the secret can be guessed",
        "Set the secret to the value that the provider's dashboard shows.",
    ),
    Check(
        "S2",
        "error",
        "settings",
        "no secret is a placeholder, another credential, or one that a manual publishes",
        "every delivery is rejected, or anybody can sign one",
        "Copy the signing secret of this webhook from the provider's dashboard.",
    ),
    Check(
        "S3",
        "error",
        "settings",
        "no secret has white space, quotation marks, a line break or a variable's name around it",
        "every delivery is rejected",
        "Remove what is not part of the secret.",
    ),
    Check(
        "S4",
        "warning",
        "settings",
        "no secret is configured twice",
        "a delivery for one endpoint is genuine at the other",
        "Give each endpoint a secret of its own.",
    ),
    Check(
        "S5",
        "error",
        "settings",
        "a secret is valid now, and one is valid after the next date",
        "from that date on, every delivery is rejected",
        "Add the new secret, and remove those whose dates are over.",
    ),
    Check(
        "P1",
        "info",
        "settings",
        "the provider confirms what the preset assumes, and its events have an id",
        "every delivery is rejected, or two equal events count as one",
        "Send a real delivery before you rely on it.",
    ),
    Check(
        "P2",
        "error",
        "settings",
        "the packages that a preset or store needs are installed",
        "the application does not start",
        "Install the extra that the sentence names.",
    ),
    Check(
        "U1",
        "warning",
        "routes",
        "public_url is set where the provider signs it, and fits the route and require_https",
        "every delivery of a provider that signs the URL is rejected",
        "Set public_url to the URL in the provider's dashboard.",
    ),
    Check(
        "U2",
        "warning",
        "routes",
        "no redirect stands before a route",
        "the provider gets a redirect, and the delivery is lost",
        "Give the provider the URL to which the redirect leads.",
    ),
    Check(
        "U3",
        "warning",
        "routes",
        "each endpoint has a route, and each guarded path leads to one view and one endpoint",
        "deliveries reach no handler, or another one",
        "Add the route, or remove the endpoint or the path.",
    ),
    Check(
        "U4",
        "error",
        "routes",
        "no route leads to a guarded view past its guard",
        "forged deliveries run the handler",
        "Put the guard where every request to the view passes it.",
    ),
    Check(
        "W1",
        "warning",
        "routes",
        "nothing reads the body before the guard",
        "500, or an empty body whose signature does not match",
        "Let the guard come first, or leave the webhook's path out of the middleware.",
    ),
    Check(
        "W2",
        "warning",
        "routes",
        "no CSRF token, login, permission or host name is required before the guard",
        "401, 403, 400 or a redirect, and no line of hookguard's in the log",
        "Exempt the webhook's path.",
    ),
    Check(
        "W3",
        "warning",
        "settings",
        "the framework takes bodies as large as the endpoint's",
        "413 for a large delivery, or an error in the handler",
        "Raise the framework's limit, or lower max_body.",
    ),
    Check(
        "W4",
        "warning",
        "routes",
        "no middleware decompresses requests before the guard",
        "the signature of a compressed delivery does not match",
        "Leave the webhook's path out of the middleware.",
    ),
    Check(
        "W5",
        "error",
        "routes",
        "a route takes every method that the provider uses",
        "405 for the challenge, so that the URL cannot be registered",
        "Add the methods to the route.",
    ),
    Check(
        "N1",
        "warning",
        "deployment",
        "the framework knows the proxy in front where HTTPS or addresses are required",
        "every delivery is rejected, or an address that a sender wrote is believed",
        "Configure the framework's own proxy support, or silence this check if no proxy is in front.",
    ),
    Check(
        "T1",
        "warning",
        "store",
        "this machine's clock and the store's agree",
        "genuine deliveries are stale, or a lease ends early",
        "Synchronise both clocks.",
    ),
    Check(
        "T2",
        "warning",
        "settings",
        "tolerance covers the provider's retries",
        "every late retry is rejected as stale",
        "Leave tolerance out.",
    ),
    Check(
        "L1",
        "warning",
        "settings",
        "a lease is as long as the server lets a worker be busy",
        "a slow event runs twice",
        "Raise lease, or set heartbeat.",
    ),
    Check(
        "L2",
        "warning",
        "settings",
        "retention covers the provider's retries",
        "a late retry runs the event again",
        "Leave retention out.",
    ),
    Check(
        "M0",
        "info",
        "deployment",
        "the store and its guarantees, to read",
        "none",
        "Choose another store if these guarantees are not enough.",
    ),
    Check(
        "M1",
        "error",
        "store",
        "the store answers",
        "every delivery is answered 503",
        "Start the store, or correct its address.",
    ),
    Check(
        "M2",
        "error",
        "store",
        "the store has its table",
        "every delivery is answered 503",
        "Run the migration.",
    ),
    Check(
        "M3",
        "error",
        "store",
        "the store keeps its contract: of several claims one wins",
        "lost events, or events that run twice",
        "Change the store as the sentence says.",
    ),
    Check(
        "M4",
        "warning",
        "settings",
        "the store keeps claims over a restart",
        "handled events run again after a restart",
        "Set store to a database or a file, such as sqlite:////path/to/file.",
    ),
    Check(
        "M5",
        "error",
        "settings",
        "all processes share the store",
        "each process runs the event",
        "Set store to one that processes share, such as sqlite:////path/to/file.",
    ),
    Check(
        "M6",
        "error",
        "store",
        "the store does not evict",
        "handled events run again when the memory is full",
        "Switch eviction off, or use another store.",
    ),
    Check(
        "M7",
        "warning",
        "settings",
        "in transactional mode, the claims are in the handler's database",
        "a claim's transaction covers no effect of the handler",
        "Give the store the database that your views write to.",
    ),
    Check(
        "M8",
        "warning",
        "store",
        "expired events are deleted",
        "the table grows, and claims become slow",
        "Purge expired events regularly.",
    ),
    Check(
        "I1",
        "error",
        "store",
        "a worker takes the events of the inbox",
        "stored events are never handled",
        "Start hookguard work on the same store.",
    ),
    Check(
        "I2",
        "info",
        "store",
        "no event of the inbox is dead",
        "an event was given up, and its effect is missing",
        "Read its error with hookguard inbox, mend the cause, then rerun it.",
    ),
    Check(
        "A1",
        "info",
        "settings",
        "the server stops a handler before the provider stops waiting",
        "the provider retries, or disables the endpoint, while a slow handler still runs",
        "Set inbox, which answers first, or lower the server's timeout.",
    ),
    Check(
        "G1",
        "error",
        "settings",
        "behind a gateway, both signatures are checked",
        "a delivery that goes around the gateway is accepted, or every delivery is rejected",
        "Configure the gateway's secrets and the provider's.",
    ),
    Check(
        "H1",
        "info",
        "settings",
        "no event runs without a claim",
        "an event runs several times while the store is down",
        'Leave on_outage at "closed", unless the handler tolerates any number of runs.',
    ),
    Check(
        "O1",
        "warning",
        "settings",
        "the logger hookguard is on",
        "no line says why a delivery fails",
        'Put "disable_existing_loggers": False into LOGGING, and set the logger to INFO.',
    ),
    Check(
        "O2",
        "warning",
        "settings",
        "no file that others can read, and no argument of the process, holds a secret",
        "others on the machine, or in the repository, can sign deliveries",
        "Remove the secret there, then change it in the provider's dashboard.",
    ),
    Check(
        "V1",
        "warning",
        "settings",
        "the packages are as new as hookguard needs them",
        "an error at the first delivery",
        "Install the version that the sentence names, or a newer one.",
    ),
)

BY_ID: Final = {check.id: check for check in CHECKS}
