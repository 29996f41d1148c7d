"""A Django shop in transactional mode whose endpoint has an inbox: events are stored, and handled as a worker does it."""

import threading

from django.db import connections
from django_shop import Effect, Shop, send

from hookguard.guard.bridge import call_inline, run_sync
from hookguard.store import StoreKey
from hookguard.work.run import Run
from hookguard.work.wsgi import call_wsgi
from hookguard_django.work import open_lanes, wsgi_application

SETTINGS = {"TRIES": 24, "FIRST": 0.001, "LONGEST_WAIT": 0.002}


def store_key(event_id):
    return StoreKey("stripe/stripe", event_id)


class InboxShop(Shop):
    """The steps of a worker with one entry, in the caller's thread."""

    def __init__(self, alias, **more):
        super().__init__(alias, inbox=SETTINGS, **more)
        self.inbox = self.store.inbox()

    def put(self, event_id):
        """Receive an event, as the web process does; the status of the answer."""
        return send(event_id)

    @staticmethod
    def key(event_id):
        return store_key(event_id).idempotency_key

    @property
    def lane(self):
        (lane,) = open_lanes(None, in_thread=call_inline)
        return lane

    def take(self, event_id, lease=60.0):
        """Take an entry, as a worker does; None if it cannot be taken."""
        return self.inbox.take_one(self.key(event_id), lease=lease, settings=self.lane.settings)

    def handle(self, held, work=None):
        """Run a view with an entry that was taken, through the whole application; the outcome."""
        self.work = work or self.good
        app = wsgi_application()

        async def call(request):
            return call_wsgi(app, request)

        return run_sync(Run(self.lane, held, sleep=None).through(call, lambda: 30.0))

    def send(self, event_id, work=None):
        """Store an event and handle it; the name of the outcome."""
        assert self.put(event_id) == 200
        return self.handle(self.take(event_id), work).outcome

    def entry(self, event_id):
        (entry,) = self.inbox.find(key=self.key(event_id), limit=1)
        return entry

    def truth(self, event_id):
        """How many effects there are, and whether the entry is done."""
        effects = Effect.objects.using(self.alias).filter(event_id=event_id).count()
        return effects, self.entry(event_id).state.name == "DONE"


def elsewhere(call):
    """Call a function in a thread of its own, whose connections are its own; its answer."""
    answers = []

    def run():
        try:
            answers.append(call())
        except Exception as error:
            answers.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    (answer,) = answers
    return answer
