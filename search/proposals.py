"""Proposals worth a scoring, in an order that does not depend on how long the scorings take.

The sampler of each trial is seeded by the trial's number, and results are told to the study in the order of their
trials, at most a window of them being open. So what is proposed depends on the window alone: a search that is stopped
anywhere and started again proposes the same trials as one that never stopped, however many workers score them.
"""

import time
from collections.abc import Callable

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from search.errors import SpaceExhaustedError
from search.objectives import CostModel
from search.ownership import Ownership
from search.result import is_scored
from search.spaces import SearchSpace
from zoo import SpecError

_DECISION_SECONDS = 0.05
_MAX_REJECTIONS = 300  # in a row, before the space is taken to hold nothing new


class Proposer:
    """Asks the study for trials until one is worth scoring.

    Args:
        make_sampler: called with a seed for each trial.
        total: trials that the search is to score.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: SearchSpace,
        costs: CostModel,
        ownership: Ownership,
        *,
        make_sampler: Callable[[int], BaseSampler],
        total: int,
        seed: int,
    ) -> None:
        self._study, self._space, self._costs, self._ownership = study, space, costs, ownership
        self._make_sampler, self._total, self._seed = make_sampler, total, seed

    def next(self) -> FrozenTrial | None:
        """Return the next trial to score; None where there are enough of them, or no new network was found."""
        for _ in range(_MAX_REJECTIONS):
            halfway = self._halfway()
            if halfway is None and self._scored_before() >= self._total:
                return None
            begun = halfway or self._begin()
            try:
                trial = self._sample(begun)
            except SpaceExhaustedError as error:
                self._reject(begun, {}, str(error))
                return None
            if self._propose(trial):
                return self._study._storage.get_trial(begun._trial_id)
        return None

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states or None)

    def _scored_before(self, number: float = float("inf")) -> int:
        return sum(is_scored(t) for t in self._trials() if t.number < number)

    def _halfway(self) -> FrozenTrial | None:
        """Return a trial whose proposal was cut short."""
        running = (t for t in self._trials(TrialState.RUNNING) if not is_scored(t))
        return next((t for t in running if self._ownership.is_lost(t)), None)

    def _begin(self) -> FrozenTrial:
        """Return a new running trial, an enqueued one first; it is signed before a sampler thinks about it for long."""
        trial_id = self._study._pop_waiting_trial_id()
        if trial_id is None:
            signed = create_trial(state=TrialState.RUNNING, user_attrs=self._ownership.signature())
            trial_id = self._study._storage.create_new_trial(self._study._study_id, template_trial=signed)
        return self._study._storage.get_trial(trial_id)

    def _sample(self, trial: FrozenTrial) -> Trial:
        self._ownership.take(trial)
        self._study.sampler = self._make_sampler(self._seed * 1_000_003 + trial.number)
        self._study._thread_local.cached_all_trials = None  # as Study.ask does
        return Trial(self._study, trial._trial_id)

    def _propose(self, trial: Trial) -> bool:
        """Complete a trial's choices; return whether it is to be scored, else tell it why not."""
        choices = self._space.parameters()
        params = {name: trial.suggest_categorical(name, values) for name, values in choices.items()}
        try:
            verdict = self._costs.judge(params)
        except SpecError as error:
            return self._reject(trial, {"valid": 1.0}, str(error))
        trial.set_user_attr("digest", verdict.spec.digest)
        trial.set_user_attr("costs", verdict.costs)
        trial.set_user_attr("predicted_ms", next(iter(verdict.costs.values())))
        if verdict.violations:
            over = ", ".join(f"{name} {verdict.costs[name]:.4g}" for name in verdict.violations)
            return self._reject(trial, verdict.violations, f"over the budget: {over}")
        trial.set_constraint("budget", 0.0)
        twin = self._twin(verdict.spec.digest, trial.number)
        if twin is not None:
            trial.set_user_attr("same_as", twin.number)
            done = twin.state == TrialState.COMPLETE
            self._study.tell(trial, twin.values if done else None, None if done else TrialState.PRUNED)
            self._ownership.release(trial.number)
            return False
        if self._scored_before(trial.number) >= self._total:  # another process was faster
            return self._reject(trial, {}, "the search has enough trials")
        trial.set_user_attr("spec", verdict.spec.to_json())
        return True

    def _reject(self, trial: Trial | FrozenTrial, violations: dict[str, float], reason: str) -> bool:
        if violations:
            trial.set_constraint("budget", sum(violations.values()))
        self._study._storage.set_trial_user_attr(trial._trial_id, "reason", reason)
        self._study.tell(trial.number, state=TrialState.PRUNED)
        self._ownership.release(trial.number)
        return False

    def _twin(self, digest: str, number: int) -> FrozenTrial | None:
        """Return another trial with this network that is scored; of two processes that propose it at once, one yields.

        The later trial yields to an earlier one that is not decided yet, the earlier waits for the later's decision.
        """
        while True:
            same = [t for t in self._trials() if t.user_attrs.get("digest") == digest and t.number != number]
            undecided = [t for t in same if self._is_proposed(t)]
            for trial in same:
                if is_scored(trial) or (trial in undecided and trial.number < number):
                    return trial
            if not undecided:
                return None
            time.sleep(_DECISION_SECONDS)

    def _is_proposed(self, trial: FrozenTrial) -> bool:
        """Return whether a living process is about to decide whether a trial is scored."""
        return trial.state == TrialState.RUNNING and not is_scored(trial) and not self._ownership.is_lost(trial)
