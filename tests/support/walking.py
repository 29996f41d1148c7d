"""Takes a state machine through a number of steps, however Hypothesis cuts its examples."""

from hypothesis import settings
from hypothesis.stateful import invariant, run_state_machine_as_test


def walk(machine, steps, *, steps_of_one, **options):
    """Take the machine through at least so many steps, with ``steps_of_one`` in an example; return how many it were."""

    class Counted(machine):
        looked = ended = 0

        @invariant()
        def count(self):
            # Checked after each step, and once more after an example's beginning.
            type(self).looked += 1

        def teardown(self):
            type(self).ended += 1
            super().teardown()

    while (done := Counted.looked - Counted.ended) < steps:
        examples = max(1, (steps - done) // steps_of_one)
        bounds = settings(max_examples=examples, stateful_step_count=steps_of_one, database=None, **options)
        run_state_machine_as_test(Counted, settings=bounds)
    return done
