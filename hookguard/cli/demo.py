"""``hookguard demo``: send typical deliveries to a real receiver, and check every answer."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from hookguard import Delivery
from hookguard.cli.demo_inbox import inbox_steps
from hookguard.cli.demo_step import Seen, Step, judge
from hookguard.cli.demo_worker import DemoWorker
from hookguard.cli.inputs import example, json_option
from hookguard.presets import get

if TYPE_CHECKING:
    import httpx

__all__ = ["Seen", "Step", "demo", "judge", "steps"]

#: Seconds the receiver may take to start, on a slow machine.
_PATIENCE = 30.0


class Demo:
    """The receiver, its folder, and a client that speaks HTTP to it."""

    def __init__(self, folder: Path, client: httpx.Client) -> None:
        self.folder = folder
        self.client = client
        self.secrets = {
            "github": secrets.token_urlsafe(32),
            "stripe": "whsec_" + secrets.token_urlsafe(32),
            "standard-webhooks": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
            "slack": secrets.token_hex(16),
            "inbox": "whsec_" + secrets.token_urlsafe(32),
        }
        self.worker = DemoWorker(folder)
        (folder / "secrets.json").write_text(json.dumps(self.secrets))
        self.last_body = b""
        self._process: subprocess.Popen[str] | None = None
        self._base = ""

    def start(self) -> None:
        """Start the receiver and wait until it says its port."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hookguard.cli.demo_receiver", str(self.folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        port = self._process.stdout.readline().strip() if self._process.stdout else ""
        if not port:
            raise click.ClickException(f"the receiver did not start:\n{self._process.communicate(timeout=_PATIENCE)[1]}")
        self._base = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """Stop the receiver."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=_PATIENCE)
            self._process = None

    def signed(self, provider: str, body: bytes, *, secret: str = "", age: float = 0.0, **fields: str) -> Delivery:
        """A delivery as the provider would send it, ``age`` seconds ago."""
        return get(provider).sign(
            body,
            secret or self.secrets[provider],
            timestamp=time.time() - age,
            headers={"content-type": "application/json"},
            **fields,
        )

    def post(self, provider: str, delivery: Delivery) -> int:
        """Send a delivery; return the status."""
        answer = self.client.post(
            f"{self._base}/hooks/{provider}", content=delivery.body, headers=delivery.headers.items(), timeout=_PATIENCE
        )
        self.last_body = answer.content
        return answer.status_code

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The records that the receiver has written so far."""
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def see(self, step: Step) -> Seen:
        """Run a step and return its result."""
        ran, ended = len(self.lines("runs.jsonl")), len(self.lines("outcomes.jsonl"))
        answers = step.send(self)
        outcomes = self.lines("outcomes.jsonl")[ended:]
        reasons = dict.fromkeys(outcome["reason_code"] or outcome["outcome"] for outcome in outcomes)
        return Seen(tuple(answers), len(self.lines("runs.jsonl")) - ran, ", ".join(reasons), self.last_body)


def steps() -> list[Step]:
    """Everything the demo sends, in order."""
    push = json.dumps({"ref": "refs/heads/main", "after": "9f2c1e", "commits": [{"message": "Ship it"}]}).encode()
    paid = json.dumps({"id": "evt_demo_paid", "object": "event", "type": "invoice.paid", "data": {"amount": 4200}}).encode()
    made = json.dumps({"type": "contact.created", "data": {"id": "c_1"}}).encode()
    challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd"
    asked = json.dumps({"type": "url_verification", "challenge": challenge, "token": "unused"}).encode()
    kept: dict[str, Delivery] = {}

    def payment(demo: Demo) -> list[int]:
        kept["paid"] = demo.signed("stripe", paid)
        return [demo.post("stripe", kept["paid"])]

    def tampered(demo: Demo) -> list[int]:
        signed = demo.signed("stripe", _stripe_event("evt_demo_tampered"))
        return [demo.post("stripe", Delivery(signed.body.replace(b"4200", b"9999"), signed.headers))]

    def concurrently(demo: Demo) -> list[int]:
        signed = demo.signed("stripe", _stripe_event("evt_demo_at_once", "demo.slow"))
        with ThreadPoolExecutor(20) as pool:
            return sorted(pool.map(lambda _: demo.post("stripe", signed), range(20)))

    def unsigned(demo: Demo) -> list[int]:
        return [demo.post("github", Delivery(push, {"content-type": "application/json", "x-github-event": "push"}))]

    def stripe(identifier: str, *, secret: str = "", age: float = 0.0, padding: int = 0) -> Callable[[Demo], list[int]]:
        body = _stripe_event(identifier) + b" " * padding
        return lambda demo: [demo.post("stripe", demo.signed("stripe", body, secret=secret, age=age))]

    return [
        Step(
            "a genuine GitHub push",
            (200,),
            1,
            lambda demo: [demo.post("github", demo.signed("github", push, id="d-1", type="push"))],
        ),
        Step("a Stripe payment", (200,), 1, payment),
        Step(
            "a Standard Webhooks event",
            (200,),
            1,
            lambda demo: [demo.post("standard-webhooks", demo.signed("standard-webhooks", made, id="msg_demo"))],
        ),
        Step(
            "a forged payment, signed with another secret", (401,), 0, stripe("evt_demo_forged", secret=secrets.token_urlsafe(32))
        ),
        Step("a payment whose body was changed on the way", (401,), 0, tampered),
        Step("a payment signed an hour ago", (401,), 0, stripe("evt_demo_stale", age=3600)),
        Step("a payment dated an hour in the future", (401,), 0, stripe("evt_demo_future", age=-3600)),
        Step("the Stripe payment again, to the byte", (200,), 0, lambda demo: [demo.post("stripe", kept["paid"])]),
        Step("one event 20 times concurrently", (200, 503), 1, concurrently),
        Step("a body over the limit of 1 MiB", (413,), 0, stripe("evt_demo_large", padding=1 << 20)),
        Step("a push without a signature", (401,), 0, unsigned),
        Step("a Slack challenge", (200,), 0, lambda demo: [demo.post("slack", demo.signed("slack", asked))], challenge.encode()),
        *_retry_steps(),
        *inbox_steps(),
    ]


def _stripe_event(identifier: str, kind: str = "invoice.paid") -> bytes:
    return json.dumps({"id": identifier, "object": "event", "type": kind, "data": {"amount": 4200}}).encode()


def _retry_steps() -> list[Step]:
    """Return the steps about retries: after a handler's failure, and after a restart of the receiver."""
    kept: dict[str, Delivery] = {}

    def fails(demo: Demo) -> list[int]:
        kept["failing"] = demo.signed("stripe", _stripe_event("evt_demo_failing", "demo.fails_once"))
        return [demo.post("stripe", kept["failing"])]

    def before_restart(demo: Demo) -> list[int]:
        kept["restart"] = demo.signed("stripe", _stripe_event("evt_demo_restart"))
        return [demo.post("stripe", kept["restart"])]

    def after_restart(demo: Demo) -> list[int]:
        demo.stop()
        demo.start()
        return [demo.post("stripe", kept["restart"])]

    return [
        Step("an event whose handler fails", (500,), 1, fails),
        Step("the provider's retry of it", (200,), 1, lambda demo: [demo.post("stripe", kept["failing"])]),
        Step("an event, before the receiver restarts", (200,), 1, before_restart),
        Step("its duplicate, after the restart", (200,), 0, after_restart),
    ]


@contextmanager
def _running() -> Iterator[Demo]:
    import httpx  # noqa: PLC0415 - of the extra `demo`

    with tempfile.TemporaryDirectory(prefix="hookguard-demo-") as folder, httpx.Client(trust_env=False) as client:
        running = Demo(Path(folder), client)
        running.start()
        try:
            yield running
        finally:
            running.worker.kill()
            running.stop()


@click.command(epilog=example("hookguard demo"))
@json_option
def demo(as_json: bool) -> None:
    """Start a real receiver on loopback and send it genuine, forged and repeated deliveries.

    The exit status is 0 only if every answer and every run of a handler is as expected.
    """
    import uvicorn  # noqa: F401, PLC0415 - of the extra `demo`; better missed here than in the receiver

    # With --json the table and the sentences are not printed.
    console = Console(width=max(Console().width, 124), quiet=as_json)
    began = time.perf_counter()
    table = Table(title="hookguard demo: a receiver on loopback, a SQLite store, deliveries over HTTP")
    for column in ("sent", "answered", "handler ran", "why", ""):
        table.add_column(column, no_wrap=column != "why")
    wrong: list[str] = []
    rows: list[dict[str, Any]] = []
    with _running() as running:
        for step in steps():
            seen = running.see(step)
            right = judge(step, seen)
            counts = {status: seen.answers.count(status) for status in sorted(set(seen.answers))}
            answered = ", ".join(str(status) if len(seen.answers) == 1 else f"{n} x {status}" for status, n in counts.items())
            times = {0: "no", 1: "once"}.get(seen.runs, f"{seen.runs} times")
            table.add_row(step.sent, answered, times, seen.why, "[green]right[/]" if right else "[bold red]WRONG[/]")
            rows.append({"sent": step.sent, "answered": seen.answers, "runs": seen.runs, "why": seen.why, "right": right})
            if not right:
                wrong.append(f"{step.sent}: expected {step.statuses} and {step.runs} runs, saw {seen.answers} and {seen.runs}")
    console.print(table)
    if as_json:
        click.echo(json.dumps({"ok": not wrong, "steps": rows, "seconds": round(time.perf_counter() - began, 1)}, indent=2))
    if wrong:
        for line in wrong:
            console.print(f"[bold red]wrong:[/] {line}")
        raise SystemExit(1)
    console.print(f"All {len(steps())} as they must be, in {time.perf_counter() - began:.1f} s.")
