"""Fixtures that several packages share."""

import pytest

from latency_tables import LatencyTable, build_table
from search import SPACES, Space, Stage
from zoo.data import Splits, load_data


@pytest.fixture(scope="session")
def digits() -> Splits:
    """The digits at 16 pixels, small enough for many quick trainings."""
    return load_data("digits", resolution=16)


@pytest.fixture(scope="session")
def small_space() -> Space:
    """A space whose networks train on the digits in a second."""
    stage = Stage(kinds=("conv", "ghost", "shuffle_v2"), depths=(1, 2), widths=(16, 24), acts=("relu",))
    last = stage.model_copy(update={"widths": (32, 40)})
    return Space(name="small", resolutions=(16,), stem_widths=(8,), stages=(stage, last), head_widths=(32,))


@pytest.fixture(scope="session")
def small_table(small_space: Space) -> LatencyTable:
    """A table of the small space, measured on this machine."""
    return build_table(small_space, dtype="fp32", networks=24, in_chans=1, seconds_each=0.1, rounds=3)


@pytest.fixture(scope="session")
def tiny() -> Space:
    """The shipped space for small images."""
    return SPACES.get("tiny")
