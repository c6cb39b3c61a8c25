"""Removing channels against masking them by hand, over families of the zoo and a residual network."""

import copy
import json
import os
import runpy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model_compression.errors import PruningError
from model_compression.pruning.channels import (
    ChannelGroup,
    channel_groups,
    kept_channels,
    prune_channels,
    remaining_groups,
)
from zoo import ArchSpec, BlockSpec, create_model
from zoo.errors import UnknownNameError

SHAPE = (1, 3, 16, 16)
CIFAR = runpy.run_path(str(Path(__file__).parents[3] / "scripts" / "cifar_resnet.py"))


def spec(*blocks: BlockSpec) -> ArchSpec:
    stem = BlockSpec(kind="conv", out_chans=8, stride=2, options={"act": "relu"})
    return ArchSpec(resolution=16, blocks=(stem, *blocks))


FAMILIES = {
    "conv": (BlockSpec(kind="conv", out_chans=16),),
    "inverted": (
        BlockSpec(kind="inverted_residual", out_chans=16, stride=2, options={"expand": 2.0}),
        BlockSpec(kind="inverted_residual", out_chans=16, options={"expand": 3.0}),
    ),
    "squeeze-excite": (BlockSpec(kind="inverted_residual", out_chans=8, options={"expand": 3.0, "se_ratio": 0.25}),),
    "grouped": (BlockSpec(kind="group_conv", out_chans=16, options={"group_width": 4}),),
    "ghost": (BlockSpec(kind="ghost", out_chans=16),),
    "fire": (BlockSpec(kind="fire", out_chans=16),),
    "shuffle": (BlockSpec(kind="shuffle_v2", out_chans=16, stride=2), BlockSpec(kind="shuffle_v2", out_chans=16)),
}


def randomize(network: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, 0.2)
            nn.init.normal_(layer.bias, 0, 0.2)
            nn.init.normal_(layer.running_mean, 0, 0.2)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return network.eval()


def masked_by_hooks(network: nn.Module, removed: dict[str, list[int]], groups: tuple[ChannelGroup, ...]) -> nn.Module:
    """Zero what reaches the layers that read a removed channel: no use of how channels are removed."""
    network = copy.deepcopy(network)
    for group in groups:
        for part in group.slices:
            if part.side != "in":
                continue
            lost = [own for channel in removed.get(group.name, ()) for own in part.index[channel]]

            def hide(module: nn.Module, inputs: tuple[Tensor], lost: list[int] = lost) -> Tensor:
                x = inputs[0].clone()
                x[:, lost] = 0
                return x

            network.get_submodule(part.layer).register_forward_pre_hook(hide)
    return network


def some(groups: tuple[ChannelGroup, ...]) -> dict[str, list[int]]:
    torch.manual_seed(0)
    return {g.name: g.lowest(torch.rand(g.size), max(g.multiple, g.size // 3)) for g in groups}


def check(network: nn.Module, fresh: nn.Module, shape: tuple[int, int, int, int] = SHAPE) -> None:
    network, fresh, images = randomize(network).double(), fresh.double(), torch.rand(2, *shape[1:]).double()
    before = copy.deepcopy(network.state_dict())
    groups = channel_groups(network, shape)
    removed = some(groups)
    assert groups and all(removed.values())
    pruned = prune_channels(network, removed, shape)
    with torch.no_grad():
        expected = masked_by_hooks(network, removed, groups)(images)
        assert (pruned(images) - expected).abs().max() < 1e-5 * (1 + expected.abs().max())
    assert sum(p.numel() for p in pruned.parameters()) < sum(p.numel() for p in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    replayed = prune_channels(fresh, json.loads(json.dumps(removed)), shape)
    shapes = [{name: value.shape for name, value in m.state_dict().items()} for m in (pruned, replayed)]
    assert shapes[0] == shapes[1]
    replayed.load_state_dict(pruned.state_dict())
    with torch.no_grad():
        assert torch.equal(replayed.eval()(images), pruned(images))


@pytest.mark.parametrize("family", FAMILIES)
def test_removed_is_masked(family: str) -> None:
    made = spec(*FAMILIES[family])
    check(made.build(10, 3, seed=0), made.build(10, 3, seed=5))


def test_residual_network_with_padded_shortcuts() -> None:
    make = CIFAR["CifarResNet"]
    network = make(8)
    groups = channel_groups(network, (1, 3, 32, 32))
    assert {g.name for g in groups} == {f"layer{s}.0.conv1" for s in (1, 2, 3)}
    check(network, make(8), (1, 3, 32, 32))


class Flat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 6, 3, padding=1), nn.PReLU(6)
        self.hidden, self.scores = nn.Linear(6 * 16 * 16, 12), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(torch.relu(self.hidden(self.act(self.conv(x)).flatten(1))))


def test_flattened_map() -> None:
    network = Flat()
    groups = {g.name: g for g in channel_groups(network, SHAPE)}
    assert set(groups) == {"conv", "hidden"}
    pruned = prune_channels(network, {"conv": [1, 4]}, SHAPE)
    assert pruned.hidden.in_features == 4 * 256 and pruned.act.num_parameters == 4
    kept = torch.arange(6 * 256).view(6, 256)[[0, 2, 3, 5]].flatten()
    assert torch.equal(pruned.hidden.weight, network.hidden.weight[:, kept])


def test_blocks_of_a_grouped_convolution() -> None:
    made = spec(*FAMILIES["grouped"])
    group = next(g for g in channel_groups(made.build(10, 3, seed=0), SHAPE) if g.multiple > 1)
    assert group.multiple == 4 and group.size == 16
    with pytest.raises(PruningError, match="only be removed together"):
        prune_channels(made.build(10, 3, seed=0), {group.name: [0]}, SHAPE)


def test_groups_of_what_remains_are_those_of_the_pruned_network() -> None:
    network = spec(*FAMILIES["squeeze-excite"]).build(10, 3, seed=0)
    groups = channel_groups(network, SHAPE)
    removed = some(groups)
    remaining = remaining_groups(groups, removed)
    assert remaining == channel_groups(prune_channels(network, removed, SHAPE), SHAPE)
    assert [len(kept_channels(g, removed)) for g in groups] == [g.size for g in remaining]


def test_one_line_for_what_cannot_be_pruned() -> None:
    network = Flat()
    with pytest.raises(UnknownNameError, match="scores"):
        prune_channels(network, {"scores": [0]}, SHAPE)
    with pytest.raises(PruningError, match=r"channels 0\.\.5, not 6"):
        prune_channels(network, {"conv": [6]}, SHAPE)
    with pytest.raises(PruningError, match="has to stay"):
        prune_channels(network, {"conv": range(6)}, SHAPE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["mobilenetv1_100", "mobilenetv2_100", "mobilenetv3_small_100", "efficientnet_lite0", "starnet_s1",
             "regnetx_002", "ghostnet_100", "squeezenet1_1", "timm/resnet18"]
)  # fmt: skip
def test_published_networks(name: str) -> None:
    check(create_model(name), create_model(name), (1, 3, 64, 64))


@pytest.mark.slow
def test_resnet56_with_its_weights() -> None:
    data = os.environ.get("EDGEZOO_DATA")
    if not data:
        pytest.skip("EDGEZOO_DATA names no folder of data")
    load = CIFAR["load_cifar_resnet"]
    network = load(Path(data, "resnet56-cifar10.safetensors"), mean=(0.5,) * 3, std=(0.25,) * 3)
    groups, images = channel_groups(network, (1, 3, 32, 32)), torch.rand(4, 3, 32, 32)
    assert len(groups) == 27
    removed = some(groups)
    with torch.no_grad():
        expected = masked_by_hooks(network, removed, groups)(images)
        assert (prune_channels(network, removed, (1, 3, 32, 32))(images) - expected).abs().max() < 1e-4
