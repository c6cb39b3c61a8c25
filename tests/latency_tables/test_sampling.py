import os
import subprocess
import sys
import time

import pytest

from latency_tables.sampling import Timer


class Busy:
    """Computes for a known time, as the clock of this thread tells it."""

    def __init__(self, seconds):
        self.seconds, self.runs = seconds, 0

    def run(self):
        self.runs += 1
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass


class Sleepy:
    def run(self):
        time.sleep(0.002)


@pytest.fixture
def one_core():
    """The core that this process keeps to during a test."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield min(before)
    os.sched_setaffinity(0, before)


def test_times_are_milliseconds_of_one_run():
    timer = Timer(Busy(0.0005))
    assert min(sample.ms for sample in _samples(timer, 50)) == pytest.approx(0.5, rel=0.2)


@pytest.mark.parametrize(("seconds", "batch"), [(0.0002, 15), (0.001, 3), (0.005, 1)])
def test_batches_are_long_enough_for_the_clock(seconds, batch):
    session = Busy(seconds)
    timer = Timer(session)
    assert 1 <= timer.batch <= batch
    before = session.runs
    timer.sample()
    assert session.runs == before + timer.batch
    timer.warm()
    assert session.runs == before + timer.batch + 1


def test_one_slow_run_does_not_shorten_the_batches():
    class Stumbling(Busy):
        def run(self):
            super().run()
            if self.runs == 4:
                time.sleep(0.01)

    assert Timer(Stumbling(0.0001)).batch > 10


def test_a_thread_that_waits_counts_as_disturbed_where_it_alone_computes():
    assert all(sample.disturbed for sample in _samples(Timer(Sleepy()), 10))


def test_a_thread_that_waits_for_others_is_not_disturbed_by_that():
    assert not all(sample.disturbed for sample in _samples(Timer(Sleepy(), single_thread=False), 20))


def test_another_process_on_the_same_core_is_noticed(one_core):
    timer = Timer(Busy(0.001))
    command = [sys.executable, "-c", "print('ready', flush=True)\nwhile True: pass"]
    other = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        samples = _samples(timer, 100)
    finally:
        other.kill()
        other.communicate()
    disturbed = [sample.disturbed for sample in samples]
    assert sum(disturbed) > 10
    # what took much longer than its work is never passed off as undisturbed
    assert all(sample.disturbed for sample in samples if sample.ms > 1.5)


def _samples(timer, count):
    return [timer.sample() for _ in range(count)]
