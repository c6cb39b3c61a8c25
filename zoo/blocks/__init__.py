"""Searchable units of a network. A new block is one file here with `@BLOCKS.register(kind)`.

A block is an `nn.Module` class built as `Block(in_chans, out_chans, *, stride=1, **options)`. Its typed keyword
arguments are the options a `BlockSpec` may set; what its constructor refuses with `ValueError`, the spec refuses.
"""

from torch import nn

from zoo.registry import Registry

BLOCKS: Registry[type[nn.Module]] = Registry("block", "zoo.blocks", "see zoo.list_blocks()")
