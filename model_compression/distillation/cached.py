"""A teacher's scores of a whole training, kept for the next student."""

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from model_compression.distillation.teacher import Teacher
from zoo.data import Splits
from zoo.training import TrainConfig
from zoo.weights import WeightsError
from zoo.weights.files import read_tensors, save_tensors


class CachedScores:
    """The scores of `teacher` in one training on `data` by `config`: `distillation_loss(CachedScores(...))`.

    Trainings with equal data and config see equal images in equal order. The first one asks the teacher and leaves what
    it said in the safetensors file `path`; others read that file. A file of another teacher, other data or another
    config is replaced. Images that are not those of the file are shown to the teacher.
    """

    def __init__(self, teacher: Teacher, data: Splits, config: TrainConfig, *, path: Path) -> None:
        self._teacher, self._path = teacher, path
        self._total = config.epochs * len(data.train)
        self._provenance = {
            "teacher": teacher.name,
            "weights": _digest(teacher),
            "data": data.name,
            "resolution": str(data.resolution),
            "config": json.dumps(vars(config)),
        }
        self._known = self._read()
        self._said: list[tuple[Tensor, Tensor]] = []
        self._position = 0

    def _read(self) -> tuple[Tensor, Tensor] | None:
        if not self._path.exists():
            return None
        try:
            tensors, provenance = read_tensors(self._path)
        except WeightsError:
            return None
        if provenance != self._provenance or set(tensors) != {"scores", "marks"}:
            return None
        return tensors["scores"], tensors["marks"]

    def scores(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the teacher's scores (N, classes) of the next batch."""
        marks = images.detach().mean((1, 2, 3)).cpu()
        if self._known is not None:
            part = slice(self._position, self._position + len(images))
            self._position = part.stop % self._total
            known, expected = (values[part] for values in self._known)
            if expected.shape == marks.shape and torch.allclose(expected, marks, atol=1e-4):
                return known.to(images.device)
            return self._teacher.scores(images, labels)
        scores = self._teacher.scores(images, labels)
        self._said.append((scores.cpu(), marks))
        if sum(len(marks) for _, marks in self._said) == self._total:
            all_scores, all_marks = (torch.cat(values) for values in zip(*self._said, strict=True))
            save_tensors(self._path, {"scores": all_scores, "marks": all_marks}, self._provenance)
            self._known, self._said = (all_scores, all_marks), []
        return scores


def _digest(teacher: Teacher) -> str:
    digest = hashlib.sha256()
    for name, tensor in teacher.network.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
