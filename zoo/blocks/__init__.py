"""Searchable units of a network. A new block is one file here with `@BLOCKS.register(kind)`.

A block is an `nn.Module` class built as `Block(in_chans, out_chans, *, stride=1, **options)`. Its typed keyword
arguments are the options a `BlockSpec` may set; what its constructor refuses with `ValueError`, the spec refuses.

Three things a block may do, by name:

- option `dilation`: it can keep its resolution where an `output_stride` asks for it;
- class attribute `takes_image = True`: it is built with `image_chans` besides and called as `block(x, image)`;
- option `deployed` with a method `deployed_state()`: it is trained in one form and shipped in another. The method
  returns the state dict of the shipped form, which is the same kind built with `deployed=True`.

A layer with a method `init_weights()` has the last word on its own first weights. One with a method
`training_progress(progress)` hears before each training step how far the training is (0..1), one with `penalty()` adds
a scalar to the loss.
"""

from torch import nn

from zoo.registry import Registry

BLOCKS: Registry[type[nn.Module]] = Registry("block", "zoo.blocks", "see zoo.list_blocks()")
