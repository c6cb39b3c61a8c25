"""Which trainings are worth going on with: Optuna's pruners over the learning curves of the search."""

from collections.abc import Iterable, Sequence

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState

from zoo.errors import unknown_name

PRUNERS = ("none", "asha", "hyperband", "median")
_REDUCTION = 3


def make_pruner(name: str, epochs: int) -> BasePruner:
    """Return Optuna's pruner called `name` for trainings of `epochs` epochs; raises UnknownNameError."""
    if name == "none":
        return NopPruner()
    if name == "asha":  # arXiv:1810.05934
        return SuccessiveHalvingPruner(min_resource=1, reduction_factor=_REDUCTION)
    if name == "hyperband":  # arXiv:1603.06560
        return HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=_REDUCTION)
    if name == "median":
        return MedianPruner(n_startup_trials=4, n_warmup_steps=1)
    raise unknown_name("pruner", name, PRUNERS)


class EarlyStopping:
    """Answers after each epoch whether a training goes on.

    Optuna's pruners know one objective and the study has several: they are asked about a study in memory that holds
    nothing but the curves, and that `curves` of earlier trials are played into first.
    """

    def __init__(self, pruner: str, epochs: int, curves: Iterable[Sequence[float]] = ()) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        # Hyperband chooses brackets by the name of the study
        self._study = optuna.create_study(study_name="curves", direction="maximize", pruner=make_pruner(pruner, epochs))
        self._epochs = epochs
        self._trials: dict[int, optuna.Trial] = {}
        for number, curve in enumerate(curves):
            for epoch, accuracy in enumerate(curve, 1):
                self.goes_on(-1 - number, epoch, accuracy)

    def goes_on(self, trial: int, epoch: int, accuracy: float) -> bool:
        """Return whether the training of `trial` is worth another epoch after one that gave `accuracy`."""
        if epoch == 1:
            self._trials[trial] = self._study.ask()
        own = self._trials[trial]
        own.report(accuracy, epoch)
        stop = own.should_prune()
        if stop or epoch == self._epochs:
            self._study.tell(own, None if stop else accuracy, TrialState.PRUNED if stop else TrialState.COMPLETE)
        return not stop
