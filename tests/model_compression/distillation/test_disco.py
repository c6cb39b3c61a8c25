import copy
import math

import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import nn

import zoo
from model_compression.distillation.disco import Embedder, consistency, disco, info_nce
from model_compression.errors import DistillationError
from zoo.errors import TrainingDivergedError
from zoo.training import TrainConfig
from zoo.training.preprocessing import normalize

_SHAPE, _CONFIG = (1, 16, 16), TrainConfig(epochs=6, weight_decay=1e-4)


def _embedder(widths=(8, 16, 24), seed=0, **options):
    blocks = tuple(zoo.BlockSpec(kind="conv", out_chans=c, stride=s) for c, s in zip(widths, (1, 2, 2), strict=True))
    network = zoo.ArchSpec(resolution=16, blocks=blocks).build(0, 1, seed=seed)
    return Embedder(network, _SHAPE, seed=seed, **{"hidden": 256, **options})


def _without_norms(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 16))


@pytest.fixture(scope="module")
def images(digits):
    return normalize(digits.train.images, *digits.statistics())


@pytest.fixture(scope="module")
def teacher(images):
    made = _embedder((16, 32, 64))
    disco(made, None, images, TrainConfig(epochs=12, weight_decay=1e-4), min_area=0.5)
    return made


def _probe(network, digits, images):
    """Accuracy on the validation images of a linear classifier of features."""
    with torch.no_grad():
        train, val = network.eval()(images), network(normalize(digits.val.images, *digits.statistics()))
    mean, std = train.mean(0), train.std(0) + 1e-6
    probe = LogisticRegression(max_iter=500).fit((train - mean) / std, digits.train.labels)
    return probe.score((val - mean) / std, digits.val.labels)


def test_a_linear_probe_of_what_was_learned_without_labels_beats_that_of_the_new_network(digits, images, teacher):
    student = _embedder()
    before = _probe(student.network, digits, images)
    history = disco(student, teacher, images, _CONFIG, min_area=0.5)
    assert _probe(student.network, digits, images) > before + 0.05
    assert history[-1].consistency < history[0].consistency / 2 and history[-1].contrast < history[0].contrast
    assert [epoch.number for epoch in history] == [1, 2, 3, 4, 5, 6]


def test_the_teacher_helps_beyond_the_contrast_alone(digits, images, teacher):
    alone, taught = _embedder(seed=1), _embedder(seed=1)
    disco(alone, None, images, _CONFIG, min_area=0.5)
    disco(taught, teacher, images, _CONFIG, min_area=0.5)
    # 8 to 11 points with each of three seeds
    assert _probe(taught.network, digits, images) > _probe(alone.network, digits, images) + 0.03


def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it(images):
    network = _without_norms()
    still = TrainConfig(epochs=1, lr=0.0)
    history = disco(copy.deepcopy(network), network, images[:128], still)
    assert history[0].consistency == pytest.approx(0, abs=1e-10) and history[0].contrast > 0
    assert disco(copy.deepcopy(network), _without_norms(1), images[:128], still)[0].consistency > 1e-3


def test_info_nce_by_hand():
    generator = torch.Generator().manual_seed(0)
    queries, keys, past = (F.normalize(torch.randn(n, 4, generator=generator)) for n in (3, 3, 5))
    total = 0.0
    for index, query in enumerate(queries.tolist()):
        scores = [sum(a * b for a, b in zip(query, key, strict=True)) / 0.2 for key in (*keys.tolist(), *past.tolist())]
        total -= math.log(math.exp(scores[index]) / sum(math.exp(score) for score in scores))
    assert info_nce(queries, keys, past, temperature=0.2).item() == pytest.approx(total / 3, rel=1e-5)


def test_info_nce_of_equal_embeddings_is_the_logarithm_of_their_number():
    one = torch.eye(4)[:1]
    value = info_nce(one.expand(3, 4), one.expand(3, 4), one.expand(5, 4), temperature=0.2)
    assert value.item() == pytest.approx(math.log(8), rel=1e-6)


def test_consistency_is_two_minus_twice_the_cosine_of_each_view():
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(6, 4, generator=generator) for _ in range(2))  # two views of three images
    cosines = F.cosine_similarity(student, teacher)
    expected = (2 - 2 * cosines).view(2, 3).sum(0).mean()
    torch.testing.assert_close(consistency(F.normalize(student), F.normalize(teacher)), expected)


def test_the_teacher_is_left_as_it_was_and_equal_arguments_give_equal_weights(images, teacher):
    before = {name: t.clone() for name, t in teacher.state_dict().items()}
    weights = []
    for _ in range(2):
        student = _embedder()
        disco(student, teacher, images[:100], TrainConfig(epochs=1, batch_size=32))
        weights.append(torch.cat([p.detach().flatten() for p in student.parameters()]))
    assert torch.equal(*weights)
    assert all(torch.equal(before[name], t) for name, t in teacher.state_dict().items())


def test_the_mlp_widens_while_the_network_stays():
    narrow, wide = _embedder(hidden=24), _embedder(hidden=2048)
    sizes = [[sum(p.numel() for p in part.parameters()) for part in (e.network, e.mlp)] for e in (narrow, wide)]
    assert sizes[0][0] == sizes[1][0] and sizes[1][1] - sizes[0][1] == (2048 - 24) * (24 + 1 + 128)


def test_bad_input_is_met_in_one_line(images):
    config = TrainConfig(epochs=1)
    with pytest.raises(DistillationError, match=r"the student are 128 long, the teacher's \(64,\); make them equal"):
        disco(_embedder(), _embedder(chans=64), images[:64], config)
    with pytest.raises(DistillationError, match="1 images in batches of 64; at least 2"):
        disco(_embedder(), None, images[:1], config)
    with pytest.raises(TrainingDivergedError, match="became nan in epoch 1"):
        disco(_embedder(), None, images[:64] * float("nan"), config)
    with pytest.raises(DistillationError, match="make one of pooled features"):
        Embedder(nn.Conv2d(1, 4, 3), _SHAPE)
