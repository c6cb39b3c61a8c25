import os
import subprocess
import sys
import time

import optuna
import pytest

from search.ownership import LEASE, OWNER, Ownership, _identity


@pytest.fixture
def study():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study()


def _running(study):
    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))[0]


def test_a_trial_of_this_process_is_not_lost_until_it_is_released(study):
    with Ownership(study) as ownership:
        ownership.take(study.ask())
        assert not ownership.is_lost(_running(study))
        ownership.release(0)
        assert ownership.is_lost(_running(study))


def test_a_trial_of_a_process_that_was_killed_is_lost_at_once(study):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    trial = study.ask()
    trial.set_user_attr(OWNER, _identity(process.pid))
    with Ownership(study) as ownership:
        assert not ownership.is_lost(_running(study))
        process.kill()
        process.wait()
        assert ownership.is_lost(_running(study))


def test_another_process_with_a_reused_number_is_not_the_owner(study):
    trial = study.ask()
    host, pid, start = _identity(os.getpid()).rsplit(":", 2)
    trial.set_user_attr(OWNER, f"{host}:{pid}:{int(start) - 1}")
    with Ownership(study) as ownership:
        assert ownership.is_lost(_running(study))


def test_a_lease_that_is_not_renewed_ends(study):
    trial = study.ask()
    trial.set_user_attr(OWNER, "another-machine:1:1")
    trial.set_user_attr(LEASE, 1.0)
    with Ownership(study, lease_seconds=0.2) as ownership:
        assert not ownership.is_lost(_running(study))
        trial.set_user_attr(LEASE, 2.0)
        time.sleep(0.3)
        assert not ownership.is_lost(_running(study))
        time.sleep(0.3)
        assert ownership.is_lost(_running(study))


def test_leases_are_renewed(study):
    with Ownership(study, lease_seconds=0.2) as ownership:
        ownership.take(study.ask())
        before = _running(study).user_attrs[LEASE]
        time.sleep(0.3)
        assert _running(study).user_attrs[LEASE] > before
