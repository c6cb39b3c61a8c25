import random

from search.supernet.draws import extreme, probes, sandwich
from search.supernet.positions import parts


def test_the_ends_of_the_sandwich_have_the_largest_and_smallest_of_everything_but_kinds(tiny):
    largest, smallest, *others = sandwich(tiny, 3, random.Random(0))
    assert len(others) == 3
    assert (largest.resolution, smallest.resolution) == (max(tiny.resolutions), min(tiny.resolutions))
    assert len(largest.blocks) == 2 + sum(max(stage.depths) for stage in tiny.stages)
    assert len(smallest.blocks) == 2 + sum(min(stage.depths) for stage in tiny.stages)
    assert {b.out_chans for b in largest.blocks} >= {max(stage.widths) for stage in tiny.stages}
    assert {b.out_chans for b in smallest.blocks} >= {min(stage.widths) for stage in tiny.stages}
    kinds = {extreme(tiny, max, random.Random(seed)).blocks[1].kind for seed in range(60)}
    assert kinds == set(tiny.stages[0].kinds)


def test_probes_meet_every_kind_at_every_place(tiny):
    met = {(part.position, part.spec.kind) for spec in probes(tiny, random.Random(0)) for part in parts(spec, 10, 1)}
    for index, stage in enumerate(tiny.stages, 1):
        for place in range(max(stage.depths)):
            assert met >= {(f"{index}-{place}", kind) for kind in stage.kinds}
