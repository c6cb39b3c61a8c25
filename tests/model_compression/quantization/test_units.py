import torch

from model_compression.quantization.units import block_units, layer_units, sections


def test_blocks_are_the_residual_sections_and_chains_up_to_a_linear_layer(residual):
    network, _ = residual
    blocks = [[layer.name.split("/")[1] for layer in unit.layers] for unit in block_units(network)]
    assert blocks == [["stem"], ["block"] * 3, ["down"] * 3, ["head"]]


def test_every_layer_is_in_one_unit_and_units_join(residual):
    network, _ = residual
    for units in (layer_units(network), block_units(network)):
        assert [layer for unit in units for layer in unit.layers] == network.layers
    blocks = block_units(network)
    values = network.values([unit.end for unit in blocks], {network.input: torch.randn(2, 1, 12, 12)})
    for unit in blocks:
        known = {other.end: values[other.end] for other in blocks if other.end == unit.start}
        if known:
            assert torch.equal(network.values([unit.end], known)[unit.end], values[unit.end])


def test_all_that_follows_a_cut_is_computed_from_it_alone(residual):
    network, _ = residual
    images = torch.randn(2, 1, 12, 12)
    scores = network(images)
    ends = [section.end for section in sections(network)]
    assert ends[-1] == network.output
    for value, known in network.values(ends, {network.input: images}).items():
        assert torch.equal(network.values([network.output], {value: known})[network.output], scores)
