"""What all samplers have in common."""

import pytest

from search.samplers import DEFAULT_SAMPLER, SAMPLERS
from zoo import UnknownNameError

OPTUNA = {"tpe", "nsga2", "nsga3", "gp", "random"}


def test_each_file_registers_a_sampler():
    assert set(SAMPLERS.names()) == OPTUNA | {"front", "evolution"}
    assert DEFAULT_SAMPLER in SAMPLERS


def test_an_unknown_name_is_told_with_near_ones():
    with pytest.raises(UnknownNameError, match="unknown sampler 'nsga'; did you mean 'nsga"):
        SAMPLERS.get("nsga")


@pytest.mark.parametrize("name", sorted(OPTUNA | {"front", "evolution"}))
@pytest.mark.parametrize("objectives", [0, 1, 2])
def test_searches_with_any_number_of_objectives(name, objectives, make_context, search, toy):
    sampler = SAMPLERS.get(name)(make_context(objectives, budget=1e9), 0)
    study = search(sampler, 12, objectives)
    assert len(study.trials) == 12
    choices = toy.parameters()
    assert all(trial.params[n] in choices[n] for trial in study.trials for n in choices)


@pytest.mark.parametrize("name", sorted(OPTUNA | {"front", "evolution"}))
def test_equal_seeds_propose_equal_trials(name, make_context, search):
    def proposed(seed):
        return [t.params for t in search(SAMPLERS.get(name)(make_context(1), seed), 11).trials]

    assert proposed(3) == proposed(3) != proposed(4)


@pytest.mark.parametrize("name", sorted(OPTUNA | {"front", "evolution"}))
def test_a_search_goes_on_with_another_seed_after_reseeding(name, make_context, search):
    def proposed(reseed):
        sampler = SAMPLERS.get(name)(make_context(1), 3)
        if reseed:
            sampler.reseed_rng()
        return [t.params for t in search(sampler, 6).trials]

    assert proposed(True) != proposed(False)
