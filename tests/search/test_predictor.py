import csv
import os
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from search.predictor import encode_choices, fit_predictor, without_outliers
from search.trial_history import Network

PARAMETERS = {"width": (8, 16, 64), "act": ("relu", "silu"), "fixed": (1,)}


def test_the_distance_of_encoded_choices_counts_those_that_differ():
    params = [
        {"width": 8, "act": "relu", "fixed": 1},
        {"width": 64, "act": "relu", "fixed": 1},
        {"width": 64, "act": "silu", "fixed": 1},
        {"width": 16, "act": "relu", "fixed": 1},
    ]
    code = encode_choices(PARAMETERS, params)
    assert cdist(code, code, "cityblock")[0].tolist() == [0, 1, 2, 0.5]


def test_outliers_are_raised_and_the_rest_is_left():
    accuracies = np.array([0.1, 0.80, 0.82, 0.84, 0.86])
    raised = without_outliers(accuracies)
    assert raised[0] == pytest.approx(0.82 - 6 * 0.04) and raised[1:].tolist() == accuracies[1:].tolist()
    assert without_outliers(np.array([0.1, 0.5, 0.5, 0.5, 0.5])).tolist() == [0.1, 0.5, 0.5, 0.5, 0.5]


def test_scores_that_could_not_be_had_are_taken_for_low_ones():
    networks = [Network({"width": 16, "act": "relu", "fixed": 1}, (1.0,)) for _ in range(8)]
    scores = np.array([[1.0], [2], [3], [4], [5], [6], [np.nan], [-np.inf]])
    accuracies = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.1, 0.1])
    predictor = fit_predictor(PARAMETERS, networks, accuracies, scores)
    mean, _ = predictor.predict(networks[:3], np.array([[np.nan], [3.5], [np.inf]]))
    assert mean[0] < mean[1] < mean[2]


def test_columns_without_any_number_say_nothing():
    networks = [Network({"width": w, "act": "relu", "fixed": 1}, ()) for w in (8, 16, 64)]
    predictor = fit_predictor(PARAMETERS, networks, np.array([0.1, 0.2, 0.3]), np.full((3, 1), np.nan))
    mean, std = predictor.predict(networks, np.full((3, 1), np.nan))
    assert np.all(np.isfinite(mean)) and np.all(std > 0)


@pytest.fixture(scope="module")
def cells():
    """NAS-Bench-201 cells: networks with parameters and multiply-adds as costs, accuracies, training-free scores."""
    path = Path(os.environ.get("EDGEZOO_DATA", "")) / "nasbench201_cifar10_724.csv"
    if not path.is_file():
        pytest.skip("needs nasbench201_cifar10_724.csv in the folder that EDGEZOO_DATA names")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    edges = [dict(enumerate(re.findall(r"(\w+)~", row["arch_str"]))) for row in rows]
    costs = [(float(row["params_m"]), float(row["flops_m"])) for row in rows]
    networks = [Network({str(k): v for k, v in e.items()}, c) for e, c in zip(edges, costs, strict=True)]
    scores = np.array([[float(row[name]) for name in ("nwot", "synflow", "jacov")] for row in rows])
    return networks, np.array([float(row["val_accuracy"]) for row in rows]) / 100, scores


@pytest.mark.parametrize(("trials", "with_scores", "least"), [(20, False, 0.65), (80, False, 0.75), (20, True, 0.75)])
def test_networks_trained_in_earnest_are_ranked_and_the_intervals_hold(cells, trials, with_scores, least):
    networks, accuracies, scores = cells
    operations = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    parameters = dict.fromkeys([str(edge) for edge in range(6)], operations)
    found, covered = [], []
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(len(networks))
        seen, new = order[:trials], order[trials:]
        chosen = scores if with_scores else np.empty((len(scores), 0))
        predictor = fit_predictor(parameters, [networks[i] for i in seen], accuracies[seen], chosen[seen])
        mean, std = predictor.predict([networks[i] for i in new], chosen[new])
        found.append(spearmanr(mean, accuracies[new])[0])
        truth = np.maximum(accuracies[new], without_outliers(accuracies[seen]).min())
        covered.append(np.mean(np.abs(mean - truth) < 1.282 * std))  # of 80 %
    assert np.mean(found) > least
    assert 0.68 < np.mean(covered) < 0.92
