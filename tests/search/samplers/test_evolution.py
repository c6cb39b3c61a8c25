import optuna

from search.samplers import SAMPLERS
from search.samplers.evolution import AgingEvolutionSampler


def test_children_differ_from_one_of_the_latest_in_one_choice_so_the_oldest_leave(make_context, search):
    sampler = AgingEvolutionSampler(make_context(), seed=0, population=8, tournament=3)
    params = [t.params for t in search(sampler, 40).trials]
    for number in range(8, 40):
        latest = params[number - 8 : number]
        assert min(sum(params[number][n] != parent[n] for n in parent) for parent in latest) == 1


def test_no_trial_is_over_the_budget_or_a_repeat(make_context, search, toy):
    study = search(SAMPLERS.get("evolution")(make_context(budget=12.0), 0), 50)
    assert max(toy.cost(t.params) for t in study.trials) <= 12
    assert len({toy.decode(t.params).digest for t in study.trials}) == 50


def test_it_finds_better_networks_than_chance(make_context, search):
    def best(sampler):
        return max(t.value for t in search(sampler, 80, objectives=0).trials)

    context = make_context(objectives=0, budget=12.0)

    def within_budget(seed):
        trials = search(optuna.samplers.RandomSampler(seed=seed), 80, objectives=0).trials
        return max(t.value for t in trials if context.costs(t.params) is not None)

    ours = sum(best(SAMPLERS.get("evolution")(context, seed)) for seed in range(3))
    assert ours > sum(within_budget(seed) for seed in range(3))
