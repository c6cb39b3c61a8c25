"""Which layers stay float, and how many bits the others get."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import optuna
from torch import Tensor

from model_compression.errors import QuantizationError
from model_compression.knapsack import Option, choose
from model_compression.methods import method
from model_compression.quantization.graph import QuantizedNetwork
from model_compression.quantization.placement import set_weight_bits
from model_compression.quantization.sensitivity import Sensitivity, sensitivities

T = TypeVar("T", int, str)
Assignment = dict[str, T]


def layers_to_keep_float(found: Sequence[Sensitivity], *, spare_ms: float) -> list[str]:
    """Return the layers that, left in float, save the most divergence for at most `spare_ms` in all.

    A layer that is no faster quantized costs nothing in float. Raises QuantizationError where gains were not measured.
    """
    if any(layer.ms_gained != layer.ms_gained for layer in found):
        raise QuantizationError("sensitivities without ms_gained: give them those of measure_gains")
    if spare_ms < 0:
        raise QuantizationError(f"spare_ms must not be negative, got {spare_ms:g}")
    options = [(Option(0.0, max(0.0, s.divergence)), Option(max(0.0, s.ms_gained), 0.0)) for s in found]
    return [s.layer for s, option in zip(found, choose(options, spare_ms), strict=True) if option == 1]


def bit_divergences(
    network: QuantizedNetwork, images: Tensor, *, bits: Sequence[int] = (2, 3, 4, 6, 8)
) -> dict[str, dict[int, float]]:
    """Return the divergence by layer and bits of its weights, with all others in float; `network` stays as it is."""
    found: dict[str, dict[int, float]] = {layer.name: {} for layer in network.layers}
    work = copy.deepcopy(network)
    for number in bits:
        set_weight_bits(work, number)
        for sensitivity in sensitivities(work, images):
            found[sensitivity.layer][number] = sensitivity.divergence
    return found


@method("mixed-precision", "quantization", paper="arXiv:2011.10680")
def weight_bits(
    network: QuantizedNetwork, divergences: Mapping[str, Mapping[int, float]], *, size_bytes: float
) -> Assignment[int]:
    """Return bits by layer: the least sum of `divergences` (by layer and bits) whose weights fit in `size_bytes`.

    Raises BudgetError where even the fewest bits of all take more.
    """
    sizes = {layer.name: network.weights[layer.weight].numel() / 8 for layer in network.layers}
    bits = {name: sorted(by_bits) for name, by_bits in divergences.items()}
    options = [[Option(b * sizes[name], max(0.0, divergences[name][b])) for b in bits[name]] for name in bits]
    chosen = choose(options, size_bytes)
    return {name: bits[name][index] for name, index in zip(bits, chosen, strict=True)}


def refine(
    start: Assignment[T],
    choices: Sequence[T],
    evaluate: Callable[[Assignment[T]], float],
    cost: Callable[[Assignment[T]], float],
    *,
    budget: float,
    trials: int = 50,
    seed: int = 0,
    storage: str | None = None,
) -> Assignment[T]:
    """Return the assignment of least `evaluate` within `budget` that Optuna's TPE finds, beginning with `start`.

    A sum of single layers' losses, as the knapsack adds them, leaves out how layers act together; `evaluate` judges the
    whole. Assignments that cost more than `budget` are not evaluated, others once. With a `storage` URL a stopped
    refinement goes on.

    Raises QuantizationError if `start` is over the budget.
    """
    if cost(start) > budget:
        raise QuantizationError(f"the first assignment costs {cost(start):g}, above the budget of {budget:g}")
    names = list(start)

    def objective(trial: optuna.Trial) -> float:
        assignment = {name: trial.suggest_categorical(name, list(choices)) for name in names}
        if cost(assignment) > budget:
            raise optuna.TrialPruned
        finished = trial.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        known = (t.value for t in finished if t.params == assignment)
        value = next(known, None)
        return evaluate(assignment) if value is None else value

    study = optuna.create_study(
        study_name="mixed-precision",
        storage=storage,
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True),
    )
    study.enqueue_trial(dict(start), skip_if_exists=True)
    study.optimize(objective, n_trials=max(0, trials - len(study.get_trials(deepcopy=False, states=_FINISHED))))
    return dict(study.best_params)


_FINISHED = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL)


@method("accuracy-aware-fallback", "quantization", paper="arXiv:2002.08679")
def fall_back(
    found: Sequence[Sensitivity], accuracy_without: Callable[[tuple[str, ...]], float], *, least_accuracy: float
) -> tuple[str, ...]:
    """Return the fewest most sensitive layers that must stay float to reach `least_accuracy` (0..1).

    `accuracy_without` quantizes all but the named layers and returns the accuracy of the file. It is called about
    log2(layers) times, as leaving one more layer in float is taken to help. Raises QuantizationError where even the
    float network does not reach it.
    """
    order = [s.layer for s in sorted(found, key=lambda s: -s.divergence)]
    if accuracy_without(()) >= least_accuracy:
        return ()
    if (best := accuracy_without(tuple(order))) < least_accuracy:
        raise QuantizationError(f"even in float the accuracy is {best:.1%}, below the {least_accuracy:.1%} asked for")
    too_few, enough = 0, len(order)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if accuracy_without(tuple(order[:middle])) >= least_accuracy:
            enough = middle
        else:
            too_few = middle
    return tuple(order[:enough])
