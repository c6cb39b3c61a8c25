import random

import pytest
from fvcore.nn import FlopCountAnalysis
from fvcore.nn.jit_handles import conv_flop_jit, linear_flop_jit

import zoo
from latency_tables.kernels import Kernel, block_kernels, spec_kernels

_IN_KERNELS = {"aten::_convolution": conv_flop_jit, "aten::linear": linear_flop_jit, "aten::addmm": linear_flop_jit}


@pytest.mark.parametrize("name", ["mobilenetv1_025", "mobilenetv2_035", "ghostnet_050", "shufflenet_v1_g3_100"])
def test_kernels_hold_every_multiply_add_that_fvcore_counts(name):
    import torch

    spec = zoo.get_spec(name).at_resolution(64)
    network = spec.build(10, 3).eval()
    analysis = FlopCountAnalysis(network, torch.zeros(1, 3, 64, 64)).clear_op_handles().set_op_handle(**_IN_KERNELS)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    assert sum(p.kernel.macs for p in spec_kernels(spec, 10, 3)) == analysis.total()


def test_kernels_hold_every_weight_of_convolutions_and_linear_layers(tiny):
    spec = tiny.sample(random.Random(0))
    network = spec.build(10, 1)
    weights = sum(p.numel() for name, p in network.named_parameters() if name.endswith("weight") and p.ndim > 1)
    assert sum(p.kernel.weights for p in spec_kernels(spec, 10, 1)) == weights


def test_activations_belong_to_the_convolution_before_them():
    block = zoo.BlockSpec(kind="inverted_residual", out_chans=16, options={"act": "hard_swish", "se_ratio": 0.25})
    kernels = [p.kernel for p in block_kernels(block, (16, 8, 8))]
    assert [k.act for k in kernels if k.op == "conv"] == ["hard_swish", "hard_swish", "relu", "hard_sigmoid", "none"]
    assert [k.op for k in kernels if k.op != "conv"] == ["mean", "mul", "add"]


def test_each_convolution_is_placed_in_the_module_that_holds_it(tiny):
    spec = tiny.sample(random.Random(1))
    modules = dict(spec.build(10, 1).named_modules())
    placed = [p for p in spec_kernels(spec, 10, 1) if p.kernel.op == "conv"]
    assert {p.module for p in placed} == {n for n, m in modules.items() if type(m).__name__ == "Conv2d"}
    for p in placed:
        conv = modules[p.module]
        assert (conv.in_channels, conv.out_channels, conv.groups) == (
            p.kernel.in_shape[0],
            p.kernel.out_shape[0],
            p.kernel.groups,
        )


def test_keys_tell_kernels_apart():
    first = Kernel("conv", (8, 4, 4), (16, 4, 4), sides=(3, 3))
    assert first.key == "conv 8x4x4>16x4x4 k3 s1 g1 none"
    assert first.key != Kernel("conv", (8, 4, 4), (16, 4, 4), sides=(3, 3), act="relu").key


def test_windows_that_are_not_square_are_counted_and_named():
    kernel = Kernel("conv", (8, 4, 4), (16, 4, 4), sides=(3, 1))
    assert (kernel.weights, kernel.macs) == (8 * 16 * 3, 8 * 16 * 3 * 16)
    assert kernel.key == "conv 8x4x4>16x4x4 k3x1 s1 g1 none"


def test_a_convolution_whose_weights_the_network_computes_is_told_from_a_learned_one():
    block = zoo.BlockSpec(kind="weightnet_shuffle_v2", out_chans=32)
    kernels = [p.kernel for p in block_kernels(block, (32, 8, 8))]
    dynamic = [k for k in kernels if k.op == "dynamic_conv"]
    assert dynamic and not any(k.has_weights for k in dynamic)
    generated = [k.out_elements for k in kernels if k.has_weights and k.out_shape[1:] == (1, 1)]
    assert all(k.weights in generated and k.macs == k.weights * k.out_shape[1] * k.out_shape[2] for k in dynamic)
    assert dynamic[0].key.startswith("dynamic_conv ") and " k" in dynamic[0].key
