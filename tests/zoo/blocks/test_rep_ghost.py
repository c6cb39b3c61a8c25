import pytest
import torch

import zoo
from zoo.blocks.rep_ghost import RepGhostModule


def test_the_cheap_map_is_added_not_concatenated(scramble):
    module, x = RepGhostModule(6, 10, kernel=3, act="relu", deployed=False), torch.randn(3, 6, 8, 9)
    scramble(module, x)
    primary = module.primary(x)
    assert primary.shape[1] == 10
    torch.testing.assert_close(module(x), (module.cheap(primary) + module.identity(primary)).relu())


def test_an_even_cheap_kernel_is_refused():
    block = zoo.BlockSpec(kind="rep_ghost", out_chans=8, options={"cheap_kernel": 2})
    with pytest.raises(zoo.SpecError, match="cheap_kernel must be odd"):
        block.build(8)
