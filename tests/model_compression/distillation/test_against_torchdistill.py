"""The same numbers as torchdistill's losses, where that library is at hand."""

import pytest
import torch
import torch.nn.functional as F

from model_compression.distillation.dist import dist_loss
from model_compression.distillation.features import Shapes
from model_compression.distillation.features.activation_boundary import boundary_distance
from model_compression.distillation.features.attention import AttentionLoss
from model_compression.distillation.features.correlation import CorrelationLoss
from model_compression.distillation.features.factor import factor_distance
from model_compression.distillation.features.fsp import flow
from model_compression.distillation.features.pkt import ProbabilisticLoss
from model_compression.distillation.features.review import context_distance
from model_compression.distillation.features.rkd import RelationalLoss
from model_compression.distillation.features.vid import unlikelihood
from model_compression.distillation.response import kd_loss

oracle = pytest.importorskip("torchdistill.losses.mid_level")

_N = 6
_SHAPES = Shapes(((4, 5, 5),), 7)


def _pair(*shape):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(_N, *shape, generator=generator, dtype=torch.float64) for _ in range(2)]


def _ask(loss, student, teacher, **kwargs):
    return loss({"m": {"output": student}}, {"m": {"output": teacher}}, **kwargs)


def _equal(a, b):
    torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)


_PATHS = ("m", "output", "m", "output")
_AT = {"p": {"student": {"path": "m", "io": "output"}, "teacher": {"path": "m", "io": "output"}}}
_LABELS = torch.arange(_N) % 5


def test_kd():
    student, teacher = _pair(5)
    expected = _ask(oracle.KDLoss(*_PATHS, temperature=4.0, alpha=0.3), student, teacher, targets=_LABELS)
    _equal(kd_loss(student, teacher, _LABELS, temperature=4.0, alpha=0.7), expected)


def test_kd_of_standardized_scores():
    student, teacher = _pair(5)
    expected = _ask(oracle.LogitStdKDLoss(*_PATHS, temperature=2.0, alpha=0.1), student, teacher, targets=_LABELS)
    _equal(kd_loss(student, teacher, _LABELS, temperature=2.0, alpha=0.9, standardized=True), expected)


def test_dist():
    student, teacher = _pair(5)
    expected = _ask(oracle.DISTLoss(*_PATHS, beta=1.0, gamma=2.0, tau=4.0), student, teacher)
    own = dist_loss(student, teacher, _LABELS, temperature=4.0, beta=1.0, gamma=2.0)
    _equal(own - F.cross_entropy(student, _LABELS), expected)


def test_attention_transfer():
    student, teacher = _pair(4, 5, 5)
    _equal(AttentionLoss(_SHAPES, _SHAPES).compare(0, student, teacher), _ask(oracle.ATLoss(_AT), student, teacher))


def test_pkt():
    student, teacher = _pair(7)
    expected = _ask(oracle.PKTLoss(*_PATHS), student.clone(), teacher.clone())
    _equal(ProbabilisticLoss(_SHAPES, _SHAPES).compare(student, teacher), expected)


def test_rkd():
    student, teacher = _pair(7)
    expected = _ask(oracle.RKDLoss("m", "m", 25.0, 50.0, "mean"), student, teacher)
    _equal(RelationalLoss(_SHAPES, _SHAPES).compare(student, teacher), expected)


def test_correlation_congruence():
    student, teacher = (F.normalize(e) for e in _pair(7))
    kernel = {"type": "gaussian", "gamma": 0.4, "max_p": 2}
    distance = _ask(oracle.CCKDLoss("m", "m", kernel, "sum"), student, teacher)
    # it takes the norm of the difference, we its mean square
    _equal(CorrelationLoss(_SHAPES, _SHAPES).compare(student, teacher), distance**2 / _N**2)


def test_factor_transfer():
    student, teacher = _pair(4, 5, 5)
    loss = oracle.FTLoss(p=1, paraphraser_path="m", translator_path="m")
    _equal(factor_distance(student, teacher), _ask(loss, student, teacher))


def test_flow_of_the_solution():
    first, second = _pair(4, 8, 8)
    second = second[..., :4, :4]
    _equal(flow(first, second), oracle.FSPLoss.compute_fsp_matrix(first, second))


def test_activation_boundaries():
    student, teacher = _pair(4, 5, 5)
    expected = oracle.AltActTransferLoss.compute_alt_act_transfer_loss(student, teacher, 1.0)
    _equal(boundary_distance(student, teacher, margin=1.0).sum(), expected)


def test_hierarchical_context():
    student, teacher = _pair(4, 5, 5)
    loss = oracle.HierarchicalContextLoss(*_PATHS)
    _equal(context_distance(student, teacher), _ask(loss, (student, None), teacher))


def test_variational_information():
    mean, teacher = _pair(4, 5, 5)
    variance = torch.rand(1, 4, 1, 1, dtype=torch.float64) + 0.1
    _equal(unlikelihood(mean, teacher, variance), _ask(oracle.VIDLoss(_AT), (mean, variance), teacher))
