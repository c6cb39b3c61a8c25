import itertools

import numpy as np
import optuna
import pytest
from optuna._hypervolume import compute_hypervolume
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from search.errors import SearchError, SpaceExhaustedError
from search.samplers import SamplerContext
from search.samplers.front import FrontSampler

BUDGET = 25.0


def hypervolumes(study):
    """Return what Optuna says of the trials within the budget, after each trial."""
    losses = np.array([[-t.values[0], t.values[1]] for t in study.trials if t.values[1] <= BUDGET])
    return [compute_hypervolume(losses[: n + 1], np.array([0.0, BUDGET])) for n in range(len(losses))]


def distributions(space):
    return {name: CategoricalDistribution(values) for name, values in space.parameters().items()}


def ask(study, space):
    trial = study.ask()
    return trial, {name: trial.suggest_categorical(name, values) for name, values in space.parameters().items()}


def test_no_candidate_is_over_the_budget_invalid_or_a_repeat(make_context, search, toy):
    study = search(FrontSampler(make_context(budget=12.0), seed=1), 25)
    digests = [toy.decode(t.params).digest for t in study.trials]
    assert len(set(digests)) == len(digests)
    assert max(toy.cost(t.params) for t in study.trials) <= 12.0


def test_a_resumed_study_goes_on_as_if_it_had_never_stopped(make_context, search):
    whole = search(FrontSampler(make_context(), seed=5), 20)
    first = search(FrontSampler(make_context(), seed=5), 11)
    resumed = search(FrontSampler(make_context(), seed=5), 9, study=first)
    assert [t.params for t in resumed.trials] == [t.params for t in whole.trials]


def test_it_needs_far_fewer_trials_than_random(make_context, search):
    trials = 20
    ours, by_chance = [], []
    for seed in range(10):
        ours.append(hypervolumes(search(FrontSampler(make_context(), seed=seed), trials)))
        by_chance.append(hypervolumes(search(optuna.samplers.RandomSampler(seed=seed), 6 * trials)))
    wanted = np.median([volumes[-1] for volumes in ours])
    needed = np.median([np.argmax(np.array(volumes) >= wanted * 0.99) for volumes in ours])
    lucky = [np.flatnonzero(np.array(volumes) >= wanted * 0.99) for volumes in by_chance]
    assert np.median([found[0] if len(found) else 6 * trials for found in lucky]) > 2 * needed


def test_training_free_scores_are_asked_for_a_shortlist_only_and_help_from_the_first_trial(make_context, search, toy):
    asked = set()

    def features(params):
        asked.add(tuple(params.items()))
        return {"good": toy.accuracy(params), "useless": 1.0}

    trials = 15
    study = search(FrontSampler(make_context(features=features), seed=0, shortlist=10), trials)
    assert len(asked) <= 11 * trials
    without = search(FrontSampler(make_context(), seed=0), trials)
    assert hypervolumes(study)[-1] > hypervolumes(without)[-1]


def test_a_single_objective_is_the_best_accuracy_within_the_budget(make_context, search, toy):
    study = search(FrontSampler(make_context(objectives=0, budget=12.0), seed=0), 30, objectives=0)
    choices = toy.parameters()
    every = (dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values()))
    best = max(toy.accuracy(p) for p in every if toy.cost(p) <= 12.0)
    assert study.best_value > best - 0.01


def test_running_trials_are_not_proposed_again_and_do_not_attract(make_context, toy, search):
    study = search(FrontSampler(make_context(), seed=2), 15)
    proposed = [ask(study, toy)[1] for _ in range(6)]
    digests = {toy.decode(params).digest for params in proposed}
    assert len(digests) == 6


def test_failed_and_pruned_trials_are_not_proposed_again(make_context, toy):
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=FrontSampler(make_context(budget=4.0), seed=0)
    )
    seen = set()
    for number in range(30):
        trial, params = ask(study, toy)
        digest = toy.decode(params).digest
        assert digest not in seen
        seen.add(digest)
        if number % 3 == 0:
            study.tell(trial, state=TrialState.FAIL)
        elif number % 3 == 1:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, [toy.accuracy(params), toy.cost(params)])


def test_enqueued_trials_come_first_and_count(make_context, toy, search):
    context = make_context()
    study = optuna.create_study(directions=["maximize", "minimize"])
    wanted = {name: values[0] for name, values in toy.parameters().items()}
    study.enqueue_trial(wanted)
    study = search(FrontSampler(context, seed=0), 12, study=study)
    assert study.trials[0].params == wanted
    assert wanted not in [t.params for t in study.trials[1:]]


def test_trials_of_other_spaces_are_left_alone(make_context, search):
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trial(create_trial(params={"x": 1}, distributions={"x": CategoricalDistribution([1])}, values=[2.0, 0.1]))
    assert len(search(FrontSampler(make_context(), seed=0), 12, study=study).trials) == 13


def test_an_exhausted_space_says_so(toy, search):
    allowed = {("width0", 1), ("width1", 1), ("width2", 1)}
    context = SamplerContext(
        toy, lambda p: (toy.cost(p),) if allowed <= set(p.items()) and p["kind0"] == "odd" else None, None, (25.0,)
    )
    study = optuna.create_study(directions=["maximize", "minimize"])
    with pytest.raises(SpaceExhaustedError, match=r"'toy'.*16 tried"):
        search(FrontSampler(context, seed=0, candidates=60), 100, study=study)
    assert sum(t.state == TrialState.COMPLETE for t in study.trials) == 16


def test_a_budget_that_nothing_meets_says_so(make_context, search):
    with pytest.raises(SpaceExhaustedError, match="0 tried"):
        search(FrontSampler(make_context(budget=0.1), seed=0), 1)


@pytest.mark.parametrize("directions", [["minimize", "minimize"], ["maximize"] * 2, ["maximize", *["minimize"] * 3]])
def test_directions_that_are_not_those_of_the_context_are_refused(directions, make_context, toy):
    study = optuna.create_study(directions=directions, sampler=FrontSampler(make_context(), seed=0))
    with pytest.raises(SearchError, match="FrontSampler wants the accuracy maximised first"):
        ask(study, toy)


def test_a_cost_without_an_end_is_searched_up_to_the_costliest_known(toy, search):
    context = SamplerContext(toy, lambda p: (toy.cost(p),), None, (float("inf"),))
    study = search(FrontSampler(context, seed=0), 25)
    assert max(t.values[0] for t in study.trials) > 0.9


def test_equal_accuracies_are_no_trouble(make_context, toy):
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=FrontSampler(make_context(), seed=0))
    for _ in range(12):
        trial, params = ask(study, toy)
        study.tell(trial, [0.5, toy.cost(params)])
    assert len(study.trials) == 12
