import random

import pytest
import torch
import torch.nn.functional as F

from search.spaces.mixed import KINDS
from search.supernet import Supernet
from search.supernet.training import add_gradients


def _params(space, kind, **changes):
    params = space.sample_params(random.Random(0)) | changes
    return params | {name: kind for name in params if name.endswith("kind")}


def _images(spec, count=4):
    return torch.rand(count, 1, spec.resolution, spec.resolution, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_runs_on_slices_as_a_network_of_its_own_does(tiny, tiny_supernet, kind):
    spec = tiny.decode(_params(tiny, kind))
    tiny_supernet.eval()
    shared = tiny_supernet(_images(spec), spec)
    alone = tiny_supernet.network(spec)
    assert all(not norm.training for norm in alone.modules())
    assert torch.equal(shared, alone(_images(spec)))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_the_slices_and_nothing_else(tiny, tiny_supernet, kind):
    spec = tiny.decode(_params(tiny, kind))
    tiny_supernet.train().zero_grad()
    F.cross_entropy(tiny_supernet(_images(spec), spec), torch.arange(4)).backward()
    alone = tiny_supernet.network(spec).train()
    F.cross_entropy(alone(_images(spec)), torch.arange(4)).backward()
    of_all = [w.grad for w in tiny_supernet.parameters() if w.grad is not None]
    of_one = [w.grad for w in alone.parameters()]
    assert len(of_all) == len(of_one)
    sums = [sum(grad.double().abs().sum().item() for grad in grads) for grads in (of_all, of_one)]
    assert sums[0] == pytest.approx(sums[1], rel=1e-4) and sums[0] > 0


def test_a_step_moves_what_networks_share_and_leaves_the_rest(small_space):
    supernet = Supernet(small_space, 10, 1)
    wide = small_space.decode(_params(small_space, "conv", stage0_width=24))
    narrow = small_space.decode(_params(small_space, "conv", stage0_width=16))
    other = small_space.decode(_params(small_space, "ghost", stage0_width=16))
    before = {spec.digest: supernet.network(spec).state_dict() for spec in (narrow, other)}
    add_gradients(supernet, [wide], _images(wide), torch.arange(4))
    torch.optim.SGD(supernet.parameters(), lr=0.1).step()

    def moved(spec):
        after = supernet.network(spec).state_dict()
        return {name for name in after if not torch.equal(after[name], before[spec.digest][name])}

    stages = range(1, len(narrow.blocks) - 1)
    assert all(f"blocks.{index}.conv.weight" in moved(narrow) for index in stages)
    assert moved(other) and all(
        name.split(".")[1] in ("0", str(len(other.blocks) - 1), "classifier") for name in moved(other)
    )


def test_a_smaller_kernel_is_the_middle_of_the_larger(tiny, tiny_supernet):
    small, large = (
        tiny_supernet.network(tiny.decode(_params(tiny, "inverted_residual", stage1_kernel=kernel))).state_dict()
        for kernel in (3, 5)
    )
    cropped = [name for name in large if small[name].shape != large[name].shape]
    assert cropped
    for name in cropped:
        assert torch.equal(small[name], large[name][:, :, 1:-1, 1:-1])


def test_a_score_keeps_the_weights_and_the_global_generator(small_space, digits, networks):
    supernet = Supernet(small_space, 10, 1)
    before, state = {name: w.clone() for name, w in supernet.named_parameters()}, torch.get_rng_state()
    first = supernet.score(networks[0], digits, recalibration_images=64)
    assert first == supernet.score(networks[0], digits, recalibration_images=64)
    assert 0 <= supernet.score(networks[0], digits, recalibration_images=64, validation_images=10) <= 1
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], w) for name, w in supernet.named_parameters())
