import torch

from model_compression.recipe.pipeline import rightly_classified
from model_compression.recipe.steps.train import Distil, Train, fine_tune
from model_compression.recipe.structure import Compressed


def test_training_makes_a_new_network_better_and_leaves_the_old(trained, job):
    start = Compressed(trained.spec, trained.spec.build(10, 1, seed=3).eval())
    before = {name: value.clone() for name, value in start.network.state_dict().items()}
    after = Train(epochs=3, lr=0.1).apply(start, job)
    assert rightly_classified(after, job).float().mean() > rightly_classified(start, job).float().mean() + 0.3
    assert all(torch.equal(value, before[name]) for name, value in start.network.state_dict().items())


def test_a_teacher_is_trained_once_and_kept(trained, job):
    from dataclasses import replace

    job = replace(job, teacher="mobilenetv1_025")
    Distil(epochs=1).apply(trained, job)
    kept = (job.folder / "teacher.safetensors").read_bytes()
    Distil(epochs=1).apply(trained, job)
    assert (job.folder / "teacher.safetensors").read_bytes() == kept


def test_no_epochs_change_nothing(trained, job):
    assert fine_tune(trained, trained, 0, job, lr=0.1) is trained
