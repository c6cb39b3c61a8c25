import pytest

import zoo
from edgezoo.report.architecture import architecture, channels, resolution, stage_starts, timed_parts


@pytest.fixture(scope="module", params=["best", "mobilenetv2_100", "mobileone_s0", "ghostnet_050"])
def spec(request, found):
    """Networks of the search and of the zoo, one of them with another form when shipped."""
    if request.param == "best":
        return found.result.best.spec
    return zoo.get_spec(request.param).at_resolution(32)


def test_the_parts_add_up_to_what_the_table_predicts(spec, small_table):
    timed = timed_parts(spec, small_table)
    assert sum(t.ms for t in timed) == pytest.approx(small_table.predict_any(spec).ms, rel=1e-9)
    assert sum(t.share for t in timed) == pytest.approx(1)
    assert len(timed) == len(spec.blocks) + 2


def test_parameters_and_multiply_adds_add_up_to_those_of_the_built_network(spec, small_table):
    timed = timed_parts(spec, small_table)
    network = spec.build(small_table.num_classes, small_table.in_chans)
    count = zoo.complexity(network, (small_table.in_chans, spec.resolution, spec.resolution))
    assert sum(t.part.params for t in timed) == count.params
    assert sum(t.part.macs for t in timed) == count.macs


def test_the_picture_shows_the_widths_and_adds_up_to_the_prediction(spec, small_table):
    timed = timed_parts(spec, small_table)
    figure = architecture(timed)
    boxes = [trace for trace in figure.data if trace.type == "bar" and trace.xaxis in (None, "x")]
    bars = [trace for trace in figure.data if trace.type == "bar" and trace.xaxis == "x2"]
    assert sum(sum(trace.x) for trace in bars) == pytest.approx(small_table.predict_any(spec).ms, rel=1e-9)
    widths = {place: width for trace in boxes for place, width in zip(trace.y, trace.x, strict=True)}
    expected = [*(chans for chans, _, _ in spec.shapes), small_table.num_classes, 0]
    assert [widths[place] for place in range(len(timed))] == expected == [channels(t) for t in timed]


def test_a_stage_starts_where_the_resolution_falls(found, small_table):
    spec = found.result.best.spec
    timed = timed_parts(spec, small_table)
    pixels = [height for _, height, _ in spec.shapes]
    falls = [i for i in range(1, len(pixels)) if pixels[i] < pixels[i - 1]]
    assert stage_starts(timed) == [0, *falls, len(pixels), len(pixels) + 1]
    assert [resolution(timed[i]) for i in stage_starts(timed)] == ["16 px", "8 px", "4 px", "", ""]
