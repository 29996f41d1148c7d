"""One transaction for all that wait: each waiter gets the truth about its own job, whatever happens to the others."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import writers
from writers import Held, Wrong, forks, good, locked, make, orphan, outcomes, raises, rows

from hookguard import ClaimStatus, SQLiteStore, StoreKey, StoreUnavailable

LONG = 60.0  # seconds: never waited for, on a machine however slow


@pytest.fixture
def path(tmp_path):
    return tmp_path / "writer.sqlite3"


@pytest.fixture
def made(path):
    database, writer = make(path, timeout=LONG)
    yield database, writer
    database.close()


def statements(database):
    """Follow the transactions: a list of the jobs in each. The connection is opened here."""
    batches = []

    def trace(sql):
        if sql.startswith("BEGIN"):
            batches.append(0)
        elif sql.startswith("INSERT INTO entry"):
            batches[-1] += 1

    database.here().connection.set_trace_callback(trace)
    return batches


def test_jobs_that_wait_share_transactions_of_at_most_256(made, path):
    database, writer = made
    batches = statements(database)
    assert asyncio.run(outcomes(writer, [good(number) for number in range(1000)])) == list(range(1000))
    assert sum(batches) == 1000
    assert max(batches) <= 256
    assert len(batches) < 500
    assert rows(path) == list(range(1000))


def test_an_event_loop_is_woken_once_for_a_batch(made):
    database, writer = made
    batches = statements(database)
    woken = []

    class Loop(asyncio.SelectorEventLoop):
        def call_soon_threadsafe(self, *arguments, **named):
            woken.append(arguments)
            return super().call_soon_threadsafe(*arguments, **named)

    loop = Loop()
    loop.run_until_complete(outcomes(writer, [good(number) for number in range(300)]))
    loop.close()
    assert len(woken) <= len(batches)


def test_a_job_that_raises_fails_alone(made, path):
    _, writer = made
    answers = asyncio.run(outcomes(writer, [good(0), raises(1), good(2), raises(3), good(4)]))
    assert [answers[0], answers[2], answers[4]] == [0, 2, 4]
    assert [type(answers[1]), type(answers[3])] == [Wrong, Wrong]
    assert rows(path) == [0, 2, 4]


def test_a_job_that_fails_the_commit_fails_alone(made, path):
    _, writer = made
    answers = asyncio.run(outcomes(writer, [good(0), orphan(1), good(2)]))
    assert [answers[0], answers[2]] == [0, 2]
    assert isinstance(answers[1], StoreUnavailable)
    assert "FOREIGN KEY" in str(answers[1])
    assert rows(path) == [0, 2]


def test_a_job_that_ends_the_transaction_itself_is_not_acknowledged(made):
    _, writer = made

    def ends(connection):
        good(1)(connection)
        connection.execute("ROLLBACK")

    answers = asyncio.run(outcomes(writer, [good(0), ends, good(2)]))
    assert [answers[0], answers[2]] == [0, 2]
    assert isinstance(answers[1], StoreUnavailable)


def test_a_locked_file_is_unavailable_in_time_and_nothing_is_written(path):
    database, writer = make(path, timeout=1.0)
    database.here()

    async def submit():
        with locked(path):
            known = await writer.submit(good(1), read=lambda _: "known")
            return known, *await outcomes(writer, [good(2), good(3)])

    known, *late = asyncio.run(submit())
    assert known == "known", "a read does not wait for another process's lock"
    assert [isinstance(error, StoreUnavailable) and "locked" in str(error) for error in late] == [True, True]
    assert asyncio.run(writer.submit(good(4))) == 4
    assert rows(path) == [4]
    database.close()


def test_a_read_is_answered_while_other_jobs_wait_for_the_lock(made, path):
    database, writer = made
    database.here()

    async def submit():
        with locked(path):
            waits = asyncio.ensure_future(writer.submit(good(1)))
            await asyncio.sleep(0.1)
            assert await writer.submit(good(2), read=lambda _: "known") == "known"
            assert not waits.done()
        return await waits

    assert asyncio.run(submit()) == 1
    assert rows(path) == [1]


def test_a_waiter_that_is_cancelled_before_its_transaction_has_no_effect(made, path):
    database, writer = made
    database.here()

    async def submit():
        with locked(path):
            tasks = [asyncio.ensure_future(writer.submit(good(number))) for number in range(3)]
            await asyncio.sleep(0.05)
            tasks[1].cancel()
            await asyncio.wait(tasks[1:2])
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(submit())
    assert [answers[0], answers[2]] == [0, 2]
    assert isinstance(answers[1], asyncio.CancelledError)
    assert rows(path) == [0, 2]


def test_a_waiter_whose_time_is_over_is_answered_although_the_writer_hangs(path):
    database, writer = make(path, timeout=1.0)

    async def submit():
        held = Held(1)
        first = asyncio.ensure_future(writer.submit(held))
        await asyncio.to_thread(held.began.wait, LONG)
        second = asyncio.ensure_future(writer.submit(good(2)))
        threaded = asyncio.ensure_future(asyncio.to_thread(writer.run, good(3)))
        answers = await asyncio.gather(first, second, threaded, return_exceptions=True)
        held.ends.set()
        return answers, await writer.submit(good(4))

    answers, after = asyncio.run(submit())
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    assert ["unknown" in str(answer) for answer in answers] == [True, False, False]
    assert after == 4
    assert rows(path) == [1, 4], "the first was under way and may be written; the others had not begun"
    database.close()


def test_threads_commit_for_each_other(made, path):
    database, writer = made
    batches = statements(database)
    results = []
    held = Held(-1)
    first = threading.Thread(target=writer.run, args=(held,))
    first.start()
    held.began.wait(LONG)
    others = [threading.Thread(target=lambda n=number: results.append(writer.run(good(n)))) for number in range(40)]
    for thread in others:
        thread.start()
    while len(writer._waiting.get()._jobs) < 40:
        time.sleep(0.01)
    held.ends.set()
    for thread in (first, *others):
        thread.join(LONG)
    assert sorted(results) == list(range(40))
    assert batches == [1, 40]
    assert rows(path) == list(range(-1, 40))


def test_tasks_of_several_loops_and_threads_lose_and_double_nothing(made, path):
    _, writer = made
    numbers = iter(range(1_000_000))
    lock = threading.Lock()
    written = []

    def number():
        with lock:
            return next(numbers)

    async def task():
        for each in (number() for _ in range(20)):
            written.append(await writer.submit(good(each)))  # noqa: PERF401 - as each is acknowledged

    async def tasks():
        await asyncio.gather(*(task() for _ in range(20)))

    def thread():
        written.extend(writer.run(good(number())) for _ in range(50))

    threads = [threading.Thread(target=asyncio.run, args=(tasks(),)) for _ in range(3)]
    threads += [threading.Thread(target=thread) for _ in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(written) == rows(path) == list(range(3 * 400 + 5 * 50))


def test_an_interrupted_thread_leaves_no_transaction_behind(made, path):
    _, writer = made

    def interrupted(connection):
        good(1)(connection)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer.run(interrupted)
    assert writer.run(good(2)) == 2
    assert asyncio.run(writer.submit(good(3))) == 3
    assert rows(path) == [2, 3]


def test_jobs_of_an_interrupted_leader_are_not_acknowledged(made, path):
    _, writer = made
    held = Held(0)

    def interrupted(connection):
        good(1)(connection)
        raise SystemExit

    first = threading.Thread(target=writer.run, args=(held,))
    first.start()
    held.began.wait(LONG)
    raised = []

    def leads():
        try:
            writer.run(interrupted)
        except SystemExit:
            raised.append("interrupted")

    def waits():
        try:
            writer.run(good(2))
        except StoreUnavailable as error:
            raised.append(str(error))

    threads = [threading.Thread(target=leads)]
    threads[0].start()
    while len(writer._waiting.get()._jobs) < 1:
        time.sleep(0.01)
    threads.append(threading.Thread(target=waits))
    threads[1].start()
    while len(writer._waiting.get()._jobs) < 2:
        time.sleep(0.01)
    held.ends.set()
    for thread in (first, *threads):
        thread.join(LONG)
    assert sorted(text[:11] for text in raised) == ["interrupted", "interrupted"]
    assert rows(path) == [0]
    assert writer.run(good(3)) == 3


def test_a_forked_child_uses_neither_its_parents_thread_nor_its_connection(made, path):
    _, writer = made

    async def submit():
        held = Held(1)
        first = asyncio.ensure_future(writer.submit(held))
        waits = asyncio.ensure_future(writer.submit(good(2)))
        await asyncio.to_thread(held.began.wait, LONG)
        # The fork comes in the middle of the transaction, and waits for its end: the child would find the file locked for ever.
        threading.Timer(0.3, held.ends.set).start()
        child = forks()
        if child == 0:
            try:
                asyncio.events._set_running_loop(None)
                loop = asyncio.new_event_loop()
                loop.run_until_complete(writer.submit(good(3)))
                os._exit(0 if writer.run(good(4)) == 4 else 2)
            except BaseException:
                os._exit(1)
        answers = [await first, await waits]
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        return answers, status

    answers, status = asyncio.run(submit())
    assert (answers, status) == ([1, 2], 0)
    assert rows(path) == [1, 2, 3, 4]


def test_a_store_that_is_closed_answers_those_who_wait(made, path):
    database, writer = made

    async def submit():
        tasks = []
        for number in range(100):
            tasks.append(asyncio.ensure_future(writer.submit(good(number))))
            await asyncio.sleep(0)
            if number % 10 == 0:
                await asyncio.to_thread(database.close)
        return await asyncio.gather(*tasks)

    assert asyncio.run(submit()) == list(range(100))
    assert rows(path) == list(range(100))


def test_the_file_is_reopened_for_a_batch_when_it_was_replaced(made, path):
    database, writer = made
    database.here()

    async def submit():
        with locked(path):
            tasks = [asyncio.ensure_future(writer.submit(good(number))) for number in range(3)]
            await asyncio.sleep(0.05)
            for each in path.parent.glob(path.name + "*"):
                each.unlink()
            return await asyncio.gather(*tasks)

    assert asyncio.run(submit()) == [0, 1, 2]
    assert rows(path) == [0, 1, 2]


def full(database, path, writer):
    """Fill the file to its last page, while no job has failed yet, and return the numbers written until then."""
    connection = database.here().connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_in_the_middle_of_a_batch_acknowledges_nothing_that_is_not_there(made, path):
    database, writer = made
    full(database, path, writer)
    answers = asyncio.run(outcomes(writer, [good(number) for number in range(3000)]))
    written = [answer for answer in answers if isinstance(answer, int)]
    failed = [answer for answer in answers if not isinstance(answer, int)]
    assert written
    assert failed
    assert all(isinstance(error, StoreUnavailable) and "full" in str(error) for error in failed)
    assert rows(path) == sorted(written)
    database.here().connection.execute("PRAGMA max_page_count = 1000000")
    assert asyncio.run(writer.submit(good(-1))) == -1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL"])
def test_a_real_full_disk_acknowledges_nothing_that_is_not_there(tmp_path, synchronous):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this system does not let root mount a small disk")
    try:
        database, writer = make(disk / "writer.sqlite3", timeout=LONG, synchronous=synchronous)

        def large(number):
            def write(connection):
                connection.execute("CREATE TABLE IF NOT EXISTS filling (bytes BLOB)")
                connection.execute("INSERT INTO filling VALUES (zeroblob(3000))")
                return good(number)(connection)

            return write

        answers = asyncio.run(outcomes(writer, [large(number) for number in range(400)]))
        written = [answer for answer in answers if isinstance(answer, int)]
        failed = [answer for answer in answers if not isinstance(answer, int)]
        assert written
        assert failed
        assert all(isinstance(error, StoreUnavailable) for error in failed)
        database.close()
        found = Counter(rows(disk / "writer.sqlite3"))
        assert set(written) <= set(found)
        assert set(found.values()) == {1}
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("ends", ["returns", "is cancelled", "forgets the loop"])
def test_the_interpreter_exits_although_jobs_wait(path, ends):
    code = """
import asyncio, sqlite3, sys
sys.path.insert(0, sys.argv[1])
from writers import good, make
database, writer = make(sys.argv[2], timeout=60)
database.here()
other = sqlite3.connect(sys.argv[2], isolation_level=None)
async def main():
    await writer.submit(good(1))
    other.execute("BEGIN IMMEDIATE")
    waits = [asyncio.ensure_future(writer.submit(good(number))) for number in (2, 3)]
    await asyncio.sleep(0.1)
    if sys.argv[3] == "is cancelled":
        for each in waits:
            each.cancel()
if sys.argv[3] == "forgets the loop":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
else:
    asyncio.run(main())
print("end")
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(path), ends],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "end\n"), run.stderr
    assert "Fatal" not in run.stderr
    assert rows(path) == [1]


def test_200_tasks_claim_10_000_times_and_each_event_has_one_winner(tmp_path):
    store = SQLiteStore(tmp_path / "claims.sqlite3", timeout=LONG)
    awaited = store.awaited(asyncio.to_thread)
    won = []

    async def task(number):
        token = number.to_bytes(16, "big")
        for step in range(50):
            index = (step + number) % 50  # each begins elsewhere, so that more than one wins
            claim = await awaited.claim(StoreKey("s", str(index)), token=token, fingerprint=b"f" * 32, lease=600, retention=600)
            if claim.status == ClaimStatus.ACQUIRED:
                won.append((index, number))

    async def race():
        await asyncio.gather(*(task(number) for number in range(200)))

    asyncio.run(race())
    assert sorted(index for index, _ in won) == list(range(50))
    assert len({number for _, number in won}) > 1
    store.close()


def test_other_event_loops_wait_in_a_thread(tmp_path):
    trio = pytest.importorskip("trio")
    store = SQLiteStore(tmp_path / "claims.sqlite3")
    awaited = store.awaited(trio.to_thread.run_sync)
    key, named = StoreKey("s", "1"), {"token": b"t" * 16, "fingerprint": b"f" * 32, "lease": 60, "retention": 60}

    async def main():
        return (await awaited.claim(key, **named)).status, await awaited.complete(key, token=b"t" * 16, retention=60)

    assert trio.run(main) == (ClaimStatus.ACQUIRED, True)
    store.close()


# --- negative controls --------------------------------------------------------------------------------------------------


async def withdrawn(writer, path):
    with locked(path, timeout=5):  # a writer that left its transaction open keeps it locked
        task = asyncio.ensure_future(writer.submit(good(9)))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
    await writer.submit(good(10))


def judged(path):
    """Check the writer as it is now; AssertionError if it is wrong."""
    database, writer = make(path, timeout=LONG)
    jobs = [good(0), raises(1), good(2), orphan(3), good(4)]
    try:
        answers = asyncio.run(outcomes(writer, jobs))
        asyncio.run(withdrawn(writer, path))
    finally:
        database.close()
    assert [answers[0], answers[2], answers[4]] == [0, 2, 4]
    assert isinstance(answers[1], Wrong)
    assert isinstance(answers[3], StoreUnavailable)
    assert rows(path) == [0, 2, 4, 10]


def test_the_right_writer_is_found_right(path):
    judged(path)


@pytest.mark.parametrize("variant", writers.BROKEN, ids=lambda variant: variant.__name__)
def test_a_broken_writer_is_found(path, variant):
    with writers.broken(variant), pytest.raises(Exception):  # noqa: B017 - some break down under it
        judged(path)
