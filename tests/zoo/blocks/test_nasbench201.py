import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latency_tables.onnx_files import export_onnx
from latency_tables.runtimes.onnxruntime import OnnxRuntime
from zoo import ArchSpec
from zoo.blocks.nasbench201 import EDGES, NasBench201Cell, NasBench201Residual

NONE = ("none",) * 6
MIXED = ("nor_conv_3x3", "avg_pool_3x3", "skip_connect", "none", "nor_conv_1x1", "skip_connect")
OUTPUT_UNREACHED = ("nor_conv_3x3", "none", "nor_conv_1x1", "none", "none", "none")
NODE_WITHOUT_INPUT = ("none", "nor_conv_1x1", "nor_conv_3x3", "skip_connect", "nor_conv_1x1", "avg_pool_3x3")
CELLS = (NONE, MIXED, OUTPUT_UNREACHED, NODE_WITHOUT_INPUT)


def conv_norm(x, sequence, **options):
    _, conv, norm = sequence
    return norm(F.conv2d(F.relu(x), conv.weight, **options))


@pytest.mark.parametrize("operations", [*CELLS, ("skip_connect",) * 6, ("nor_conv_3x3",) * 6])
def test_each_node_is_the_sum_of_operations_on_the_nodes_before(operations, scramble):
    cell, x = NasBench201Cell(6, 6, operations=operations), torch.randn(2, 6, 7, 5)
    scramble(cell, x)
    nodes = {0: x, 1: torch.zeros_like(x), 2: torch.zeros_like(x), 3: torch.zeros_like(x)}
    edges = dict(zip(EDGES, zip(operations, cell.edges, strict=True), strict=True))
    for source, target in sorted(edges, key=lambda edge: (edge[1], edge[0])):
        operation, layer = edges[source, target]
        y = nodes[source]
        if operation == "nor_conv_3x3":
            y = conv_norm(y, layer, padding=1)
        elif operation == "nor_conv_1x1":
            y = conv_norm(y, layer)
        elif operation == "avg_pool_3x3":  # the mean of the pixels that are there
            ones = torch.ones_like(y)
            kernel = torch.ones(6, 1, 3, 3)
            y = F.conv2d(y, kernel, padding=1, groups=6) / F.conv2d(ones, kernel, padding=1, groups=6)
        elif operation == "none":
            y = torch.zeros_like(y)
        nodes[target] = nodes[target] + y
    torch.testing.assert_close(cell(x), nodes[3], atol=1e-5, rtol=1e-5)


def test_the_edges_stand_in_the_order_of_the_benchmark():
    assert EDGES == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


def test_the_residual_block_pools_before_it_projects(scramble):
    block, x = NasBench201Residual(4, 8, stride=2), torch.randn(2, 4, 8, 6)
    scramble(block, x)
    y = conv_norm(conv_norm(x, block.conv_a, stride=2, padding=1), block.conv_b, padding=1)
    shortcut = F.conv2d(x.unflatten(3, (3, 2)).unflatten(2, (4, 2)).mean((3, 5)), block.shortcut[1].weight)
    torch.testing.assert_close(block(x), y + shortcut)
    assert isinstance(NasBench201Residual(4, 4).shortcut, nn.Identity)


@pytest.mark.parametrize(("in_chans", "out_chans", "stride"), [(4, 6, 1), (4, 4, 2), (4, 6, 2), (5, 7, 2)])
def test_every_operation_changes_the_shape_alike(in_chans, out_chans, stride):
    for size in ((8, 8), (7, 9), (1, 2)):
        x = torch.randn(2, in_chans, *size)
        expected = (2, out_chans, -(-size[0] // stride), -(-size[1] // stride))
        for operation in ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"):
            cell = NasBench201Cell(in_chans, out_chans, stride=stride, operations=(operation,) * 6).eval()
            assert cell(x).shape == expected
        assert NasBench201Residual(in_chans, out_chans, stride=stride).eval()(x).shape == expected


@pytest.mark.parametrize("operations", CELLS, ids=["none", "mixed", "unreached", "node without input"])
def test_networks_of_cells_survive_tracing_and_export(operations, scramble, tmp_path):
    cell = {"kind": "nasbench201", "options": {"operations": operations}}
    blocks = (
        {"kind": "conv", "out_chans": 8, "options": {"act": "none"}},
        {**cell, "out_chans": 8},
        {**cell, "out_chans": 12, "stride": 2},
        {"kind": "nasbench201_residual", "out_chans": 16, "stride": 2},
        {**cell, "out_chans": 16},
    )
    spec = ArchSpec(resolution=33, blocks=blocks, head={"options": {"norm": True, "norm_act": "relu"}}, init="pytorch")
    assert ArchSpec.from_json(spec.to_json()) == spec
    network = spec.build(5, in_chans=1, seed=0)
    images = torch.randn(2, 1, 33, 33)
    scramble(network, images)
    with torch.no_grad():
        scores = network(images)
        first = network(images[:1])
        torch.testing.assert_close(first, scores[:1], atol=1e-4, rtol=1e-4)
        others = [
            torch.jit.trace(network, images, check_trace=False),
            torch.fx.symbolic_trace(network),
            torch.export.export(network, (images,)).module(),
            copy.deepcopy(network).to(memory_format=torch.channels_last),
        ]
        for other in others:
            torch.testing.assert_close(other(images), scores, atol=1e-4, rtol=1e-4)
    export_onnx(network, (1, 1, 33, 33), tmp_path / "net.onnx")
    got = OnnxRuntime.load(tmp_path / "net.onnx", None, dtype="fp32", threads=1).predict(images[:1].numpy())
    torch.testing.assert_close(torch.from_numpy(got), first, atol=1e-4, rtol=1e-4)


def test_the_gradient_reaches_every_weight_on_the_way_to_the_output():
    operations = tuple(itertools.islice(itertools.cycle(("nor_conv_3x3", "nor_conv_1x1")), 6))
    cell = NasBench201Cell(4, 4, operations=operations).train()
    for parameter in cell.parameters():
        nn.init.normal_(parameter) if parameter.ndim > 1 else None
    cell(torch.randn(4, 4, 6, 6)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in cell.parameters())
