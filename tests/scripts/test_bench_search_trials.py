import itertools
import json
import random

import numpy as np
import pytest

from search.hypervolume import hypervolume
from zoo import SpecError


@pytest.fixture
def bench(import_script):
    return import_script("bench_search_trials")


@pytest.fixture
def cells_csv(tmp_path):
    """Eighty cells with made-up accuracies."""
    rng, path = random.Random(0), tmp_path / "cells.csv"
    operations = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    lines = ["arch_str,val_accuracy,params_m,flops_m,nwot"]
    for ops in rng.sample(list(itertools.product(operations, repeat=6)), 80):
        a, b, c, d, e, f = ops
        size = sum({"nor_conv_1x1": 1, "nor_conv_3x3": 9}.get(op, 0) for op in ops) / 10 + 0.1
        accuracy = 50 + 40 * (1 - 2.718**-size) + rng.random()
        lines.append(f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|,{accuracy},{size},{size * 10},{size + rng.random()}")
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("name", ["random", "nsga2", "tpe", "evolution"])
def test_every_sampler_evaluates_each_network_of_the_pool_once(bench, cells_csv, name):
    run = bench.search(bench.Job(cells_csv, None, None, name, 0, 1000))
    assert sorted(run["evaluated"]) == list(range(80))


@pytest.mark.parametrize("name", ["front", "front without scores"])
def test_ours_proposes_networks_of_the_pool(bench, cells_csv, name):
    run = bench.search(bench.Job(cells_csv, None, None, name, 0, 16))
    assert len(set(run["evaluated"])) == 16


def test_a_sampler_is_told_of_what_was_evaluated(bench, cells_csv):
    pool = bench.cells_pool(cells_csv)
    for index in range(80):
        assert pool.space.index(pool.space.member(index)) == index
        assert pool.space.nearest(pool.space.member(index), random.Random(0)) == index
        assert pool.space.nearest(pool.space.member(index), random.Random(0), [index]) != index


def test_choices_that_the_pool_lacks_make_no_network(bench, cells_csv):
    pool = bench.cells_pool(cells_csv)
    held = {tuple(member) for member in pool.space.members}
    values = next(v for v in itertools.product(*pool.space.choices.values()) if v not in held)
    params = dict(zip(pool.space.choices, values, strict=True))
    with pytest.raises(SpecError):
        pool.space.decode(params)
    assert pool.context(with_scores=False).costs(params) is None


def test_shares_are_hypervolumes_of_what_was_evaluated(bench, cells_csv):
    pool = bench.cells_pool(cells_csv)
    order = np.random.default_rng(0).permutation(80).tolist()

    def volume(chosen):
        return hypervolume(pool.accuracy[chosen], pool.cost[chosen], reference=(pool.reference,), floor=bench.CHANCE)

    shares = bench.shares(pool, order)
    assert shares[9] == pytest.approx(volume(order[:10]) / volume(order)) and shares[-1] == pytest.approx(1)
    assert bench.trials_needed(pool, order, 0.9) == np.argmax(shares >= 0.9) + 1


def test_measured_latencies_are_the_cost(bench, cells_csv, tmp_path):
    cells = [line.split(",")[0] for line in cells_csv.read_text().splitlines()[1:41]]
    latency = tmp_path / "ms.json"
    latency.write_text(json.dumps({cell: float(i) for i, cell in enumerate(cells)}))
    pool = bench.cells_pool(cells_csv, latency)
    assert pool.unit == "ms" and pool.cost.tolist() == list(range(40))
