import pytest
import torch

from model_compression.low_rank.factorize import Factors, factorized_structure
from model_compression.pruning.channels import channel_groups, prune_channels
from model_compression.recipe.structure import CHANGES, Factorized, Pruned, rebuild
from zoo import EdgezooError

_SHAPE = (1, 1, 16, 16)


def test_changes_in_order_survive_being_json_and_give_the_network_again(trained):
    group = channel_groups(trained.network, _SHAPE)[0]
    pruned = prune_channels(trained.network, {group.name: [0, 3]}, _SHAPE)
    layer = next(name for name, m in pruned.named_modules() if isinstance(m, torch.nn.Conv2d) and m.in_channels > 8)
    changed = factorized_structure(pruned, {layer: Factors("tucker", (4, 4))}).eval()
    changes = (Pruned(removed={group.name: (0, 3)}), Factorized(layers={layer: ("tucker", (4, 4))}))
    read = CHANGES.validate_json(CHANGES.dump_json(changes))
    assert read == changes
    again = rebuild(trained.spec, read, changed.state_dict(), num_classes=10, in_chans=1, source="here")
    images = torch.rand(3, *_SHAPE[1:])
    assert torch.equal(again(images), changed(images))


@pytest.mark.parametrize(
    "changes",
    [
        (Pruned(removed={"nowhere": (0,)}),),
        (Factorized(layers={"nowhere": ("svd", (1,))}),),
        (Factorized(layers={"blocks.0": ("strange", (1,))}),),
        (),
    ],
)
def test_changes_of_another_network_are_one_line(changes, trained):
    state = {**trained.network.state_dict(), "more": torch.zeros(1)}
    with pytest.raises(EdgezooError):
        rebuild(trained.spec, changes, state, num_classes=10, in_chans=1, source="here")
