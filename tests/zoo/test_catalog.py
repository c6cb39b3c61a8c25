import pytest

import zoo
from zoo.catalog import count, recorded_figures
from zoo.timm_import import timm


def test_wildcards_select_as_in_timm():
    assert zoo.list_models("ghostnet_1*") == ["ghostnet_100", "ghostnet_130"]
    assert zoo.list_models("nothing*") == []
    assert zoo.list_models("timm/ghostnet_1*") == ["timm/" + n for n in timm.list_models("ghostnet_1*")]


def test_filters_select_by_family_block_and_size():
    assert zoo.list_models(family="ghostnet") == ["ghostnet_050", "ghostnet_100", "ghostnet_130"]
    assert set(zoo.list_models(family="shufflenet_*")) >= {"shufflenet_v1_g3_100", "shufflenet_v2_x1_0"}
    assert set(zoo.list_models(block="fire")) >= {"squeezenet1_0", "squeezenet1_1"}
    assert all(name.startswith("squeezenet") for name in zoo.list_models(block="fire"))
    small = zoo.list_models(max_params_m=2, max_macs_m=50)
    assert "shufflenet_v2_x0_5" in small and "squeezenet1_1" not in small and "ghostnet_050" not in small


def test_a_filter_for_an_unknown_block_names_the_nearest():
    with pytest.raises(zoo.UnknownNameError, match="did you mean 'ghost'"):
        zoo.list_models(block="gost")


def test_filters_are_refused_for_timms_networks():
    with pytest.raises(zoo.EdgezooError, match="family and max_params_m: not known of timm's"):
        zoo.list_models("timm/*", family="resnet", max_params_m=3)


def test_info_tells_the_paper_and_who_published_the_accuracy():
    info = zoo.model_info("ghostnet_100")
    assert (info.family, info.paper, info.year, info.reported_top1) == ("ghostnet", "arXiv:1911.11907", 2019, 73.9)
    assert info.top1_source == "paper"
    assert info.blocks == ("conv", "ghost")


def test_the_recorded_figures_are_of_every_network():
    assert sorted(recorded_figures()) == zoo.list_models(), "run scripts/count_models.py"


def _is_small(name: str) -> bool:
    return recorded_figures()[name].macs < 100e6


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if _is_small(n) else pytest.mark.slow) for n in sorted(recorded_figures())],
)
def test_the_recorded_figures_are_those_of_the_network(name):
    assert recorded_figures()[name] == count(name), "run scripts/count_models.py"
