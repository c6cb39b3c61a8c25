"""Training and evaluation of one network: one loop for candidates, teachers, winners and baselines."""

from zoo.training.evaluation import accuracy, predict_scores
from zoo.training.loop import Epoch, LossFunction, TrainConfig, train

__all__ = ["Epoch", "LossFunction", "TrainConfig", "accuracy", "predict_scores", "train"]
