from search.supernet.positions import parts
from zoo import ArchSpec, BlockSpec


def _spec(*depths):
    blocks = [BlockSpec(kind="conv", out_chans=8)]
    for depth in depths:
        blocks += [BlockSpec(kind="ghost", out_chans=16, stride=2 if first == 0 else 1) for first in range(depth)]
    return ArchSpec(resolution=32, blocks=(*blocks, BlockSpec(kind="conv", out_chans=32, options={"kernel": 1})))


def _positions(*depths):
    return [part.position for part in parts(_spec(*depths), 10, 1)]


def test_blocks_are_found_by_their_place_within_their_stage_whatever_the_depths():
    assert _positions(2, 1) == ["first", "1-0", "1-1", "2-0", "last", "head"]
    assert _positions(1, 3) == ["first", "1-0", "2-0", "2-1", "2-2", "last", "head"]


def test_every_parameter_of_a_network_has_a_key_of_its_own_and_its_shape():
    for spec in (_spec(2, 1), _spec(1, 3)):
        network = spec.build(10, 1)
        sizes = {f"{part.path}.{path}": size for part in parts(spec, 10, 1) for path, size in part.sizes().items()}
        assert sizes == {name: tuple(weight.shape) for name, weight in network.named_parameters()}
        keys = [part.key(path, size) for part in parts(spec, 10, 1) for path, size in part.sizes().items()]
        assert len(set(keys)) == len(keys)
