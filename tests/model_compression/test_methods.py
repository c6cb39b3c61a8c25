"""The methods of the survey: each is listed, can be imported, says what it is, and has a test."""

import importlib
import re
from pathlib import Path

import pytest

from model_compression import list_methods
from zoo import UnknownNameError

TESTS = Path(__file__).parents[1]

# what the survey names, and the names it is listed under
SINGLE_WEIGHTS = {
    "biased weight decay": ["biased-weight-decay"],
    "sparse training with rewiring": ["rigl", "sparse-evolutionary-training"],
    "optimal brain damage": ["optimal-brain-damage", "optimal-brain-surgeon"],
    "magnitude pruning": ["magnitude-pruning"],
    "train-prune-retrain": ["train-prune-retrain"],
    "L1 against L2 regularisation": ["l1-regularization"],
    "gradient-based pruning": ["gradient-saliency"],
    "dynamic network surgery": ["dynamic-network-surgery"],
    "alignment regulariser": ["alignment-regularizer"],
    "N:M sparsity": ["n-m-sparsity"],
}
CHANNELS = {
    "L1-norm filter pruning": ["l1-norm-filter-pruning"],
    "global and dynamic pruning": ["global-dynamic-pruning"],
    "fused max-average pooling and channel attention": ["fused-pooling-channel-attention"],
    "task-loss channel importance": ["task-loss-channel-importance"],
    "layer-wise refined pruning": ["layer-wise-refined-pruning"],
    "optimal-score filter pruning": ["osfp-optimal-score-filter-pruning"],
    "mask learning": ["mask-learning"],
    "dynamic sparse training, group channel pruning, spatial attention": ["group-channel-pruning"],
    "automatic channel pruning": ["automatic-channel-pruning"],
    "network slimming": ["network-slimming"],
    "energy-aware pruning": ["energy-aware-pruning"],
    "hierarchical channel pruning": ["hierarchical-channel-pruning"],
    "only train once": ["only-train-once"],
    "first-layer channel pruning": ["first-layer-channel-pruning"],
    "layer grafting": ["linear-grafting"],
    "NetAdapt": ["netadapt"],
}
QUANTIZATION = {
    "algorithm 1": ["affine-quantization", "min-max-calibration"],
    "calibration search": [
        "calibration-search", "moving-average-calibration", "percentile-calibration", "entropy-calibration",
    ],
    "bias correction": ["bias-correction"],
    "weight-range equalisation": ["cross-layer-equalization", "bias-absorption"],
    "analytic clipping": ["aciq"],
    "least-squares ranges": ["omse"],
    "outlier channel splitting": ["outlier-channel-splitting"],
    "AdaRound": ["adaround"],
    "AdaQuant": ["adaquant"],
    "BRECQ and QDrop": ["brecq", "qdrop"],
    "activation equalisation": ["smoothquant"],
    "quantization-aware training": ["quantization-aware-training", "lsq"],
    "mixed precision": ["mixed-precision"],
    "accuracy-aware fallback": ["accuracy-aware-fallback"],
    "sensitivity report": ["sensitivity-report"],
}  # fmt: skip
LOW_RANK = {
    "truncated SVD": ["svd-linear"],
    "separable filters by dictionary learning": ["separable-dictionary"],
    "clustering and low rank": ["clustered-svd"],
    "separable filters, scheme 2": ["separable"],
    "CP decomposition": ["cp"],
    "batch norm between the factors": ["separable-bn"],
    "Tucker-2": ["tucker-2"],
    "SVD of 1x1 convolutions": ["svd-1x1"],
    "parameter prediction": ["parameter-prediction"],
    "rank-constrained training": ["rank-constrained-training"],
    "global rank allocation": ["global-rank-allocation"],
}
DISTILLATION = {
    "response distillation": ["kd"],
    "modern response distillation": ["dkd", "logit-standardization", "dist"],
    "feature-embedding distillation": ["feature-embedding"],
    "FitNets hint": ["fitnet"],
    "attention transfer": ["attention-transfer"],
    "other feature distillation": ["factor-transfer", "pkt", "nst", "ab", "ofd", "reviewkd"],
    "flow of solution procedure": ["fsp"],
    "relational distillation": ["rkd", "cc", "sp"],
    "multi-head graph distillation": ["mhgd"],
    "singular value distillation": ["kdsvd"],
    "graph-based multi-teacher": ["graph-multi-teacher"],
    "multi-teacher averaging": ["multi-teacher-average", "ca-mkd"],
    "mutual information, contrastive, adversarial": ["vid", "crd", "adversarial-distillation"],
    "block-wise self-distillation": ["block-wise-distillation"],
    "self-supervised distillation": ["disco", "moco-v2"],
}
CHAINS = {
    "prune, distil, quantize": ["deep-compression"],
    "distillation of a search's winner": ["search-distillation"],
}
SURVEY = [SINGLE_WEIGHTS, CHANNELS, QUANTIZATION, LOW_RANK, DISTILLATION, CHAINS]


def test_the_survey_has_69_rows_and_no_name_stands_for_two():
    names = [name for part in SURVEY for row in part.values() for name in row]
    assert sum(len(part) for part in SURVEY) == 69 and len(names) == len(set(names))


@pytest.mark.parametrize("part", SURVEY)
def test_every_row_is_listed(part):
    listed = {method.name for method in list_methods()}
    assert not [name for row in part.values() for name in row if name not in listed]


@pytest.mark.parametrize("method", list_methods(), ids=lambda method: method.name)
def test_a_method_says_what_it_is_and_where(method):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", method.name)
    assert len(method.summary) > 20 and not method.summary[0].islower()
    assert re.search(r"arXiv:\d{4}\.\d{4,5}\b|\b(19|20)\d\d\b", method.paper)
    module, _, name = method.where.rpartition(".")
    assert getattr(importlib.import_module(module), name) is method.call
    path = TESTS / module.replace(".", "/")
    # plug-ins of a registry share the tests of all
    assert path.with_name(f"test_{path.name}.py").exists() or path.with_name("test_all.py").exists()


def test_methods_are_found_by_pattern_and_family():
    names = [method.name for method in list_methods("*kd", family="distillation")]
    assert names == sorted(names) and {"kd", "dkd", "rkd"} <= set(names)
    assert list_methods("there is no such method") == []
    with pytest.raises(UnknownNameError, match="unknown family 'kd'"):
        list_methods(family="kd")
