import contextlib
import inspect
import json
import math
import pickle
import re
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import zoo
from zoo import ArchSpec, BlockSpec, HeadSpec, SpecError
from zoo.blocks import BLOCKS
from zoo.spec import MAX_BLOCKS, MAX_JSON_CHARS, has_option

CONV = {"kind": "conv", "out_chans": 8}
NORM = {"options": {"hidden": 12, "hidden_norm": True}}
NO_BIAS = {"options": {"bias": False, "dropout": 0.5}}
ACTS = ("none", "relu", "relu6", "hard_swish", "silu", "gelu", "sigmoid", "hard_sigmoid")
OPTION_VALUES: dict[str, tuple[Any, ...]] = {
    "kernel": (1, 2, 3, 4, 5, 7),
    "act": ACTS,
    "groups": (1, 2, 3, 4),
    "norm": (True, False),
    "padding": (None, 0, 1, 3),
    "residual": (True, False),
    "se_ratio": (0.0, 0.25, 1.0),
    "se_of": ("middle", "input"),
    "se_divisor": (1, 4, 8),
    "se_act": ("relu", "silu"),
    "se_gate": ("hard_sigmoid", "sigmoid"),
    "dilation": (1, 2, 3),
    "linear": (True, False),
    "expand": (0.5, 1.0, 2.0, 3.0),
    "ratio": (2, 3),
    "cheap_kernel": (1, 2, 3, 5),
    "group_width": (1, 4, 8),
    "bottleneck": (0.25, 1.0, 2.0),
    "squeeze_ratio": (0.01, 0.125, 0.5),
    "bypass": ("none", "simple", "complex"),
    "ceil_mode": (True, False),
    "group_first": (True, False),
    "split": ("rest", "half"),
    "attention": (True, False),
    "deployed": (True, False),
    "partial": (2, 4, 8),
    "multiplier": (1, 2, 3),
    "expand_groups": (1, 2, 8),
    "project_groups": (1, 2, 8),
    "dynamic": (True, False),
    "dynamic_expand": (True, False),
    "dynamic_dw": (True, False),
    "dynamic_project": (True, False),
    "reduction": (2, 8, 16),
    "second": ((1.0, 0.0), (0.5, 0.5)),
    "branches": (1, 2, 4, 5),
    "receptive_field": (3, 7, 13),
    "image_pools": (0, 1, 2),
    "first": ("esp", "conv"),
    "repeats": (0, 1, 3),
    "channel_kernel": (0, 2, 8, 64),
    "divisor": (1, 8),
    "zero_init": (True, False),
    "start_kernel": (0, 2, 3, 5),
    "mid_kernel": (0, 2, 3, 5),
    "bias": (None, True, False),
    "condense_factor": (1, 2, 4, 5),
    "lasso": (0.0, 0.01),
    "primary": (1, 2, 3, 4, 24),
    "shuffle_back": (True, False),
    "shuffle": ("output", "input"),
    "column_first": (True, False),
    "project": (True, False),
    "project_first": (True, False),
    "units": (1, 2, 4),
    "operations": (
        ("none",) * 6,
        ("skip_connect", "avg_pool_3x3", "nor_conv_1x1", "none", "skip_connect", "avg_pool_3x3"),
        ("nor_conv_1x1", "skip_connect", "skip_connect", "avg_pool_3x3", "none", "none"),
    ),
}
properties = settings(
    max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@st.composite
def block_objects(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(zoo.list_blocks()))
    names = [name for name in OPTION_VALUES if has_option(kind, name)]
    chosen = draw(st.lists(st.sampled_from(names), max_size=3, unique=True)) if names else []
    return {
        "kind": kind,
        "out_chans": draw(st.sampled_from((8, 16, 24, 48))),
        "stride": draw(st.sampled_from((1, 1, 2, 2, 3, 4))),
        "options": {name: draw(st.sampled_from(OPTION_VALUES[name])) for name in chosen},
    }


@st.composite
def arch_objects(draw: st.DrawFn) -> dict[str, Any]:
    stem = draw(st.sampled_from((CONV, {**CONV, "stride": 2}, {**CONV, "out_chans": 24, "options": {"act": "silu"}})))
    head = draw(st.sampled_from(({}, {"kind": "conv"}, {"options": {"hidden": 12, "act": "silu"}}, NORM, NO_BIAS)))
    return {
        "resolution": draw(st.integers(1, 40)),
        "blocks": [stem, *draw(st.lists(block_objects(), max_size=3))],
        "head": head,
        "padding": draw(st.sampled_from(("symmetric", "same"))),
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def assert_one_line(error: BaseException) -> None:
    text = str(error)
    assert text and len(text.splitlines()) == 1, text
    assert len(text) < 1000


def read_or_refuse(text: str | bytes) -> None:
    """A reader's whole duty: a spec that survives the round trip, or SpecError in one line."""
    try:
        spec = ArchSpec.from_json(text)
    except SpecError as error:
        assert_one_line(error)
    else:
        assert ArchSpec.from_json(spec.to_json()) == spec


def example_spec() -> ArchSpec:
    return ArchSpec(
        resolution=32,
        blocks=(
            BlockSpec(kind="conv", out_chans=16, stride=2, options={"act": "hard_swish"}),
            BlockSpec(kind="ghost", out_chans=24, stride=2, options={"kernel": 5, "se_ratio": 0.25}),
            BlockSpec(kind="fire", out_chans=32, options={"norm": True}),
        ),
        head=HeadSpec(options={"hidden": 40, "dropout": 0.1}),
        bn_eps=1e-3,
        padding="same",
    )


@properties
@given(arch_objects(), st.sampled_from((1, 7)))
def test_what_validates_builds_and_runs_and_what_does_not_raises_spec_error(
    description: dict[str, Any], classes: int
) -> None:
    try:
        spec = ArchSpec(**description)
    except SpecError as error:
        assert_one_line(error)
        assert str(error).startswith("blocks["), str(error)
        return
    network = spec.build(num_classes=classes, seed=0).eval()
    x = image = torch.randn(2, 3, spec.resolution, spec.resolution)
    with torch.no_grad():
        assert network(x).shape == (2, classes)
        for block, block_spec, shape in zip(network.blocks, spec.blocks, spec.shapes, strict=True):
            x = block(x, image) if block_spec.takes_image else block(x)
            assert x.shape[1:] == shape


@properties
@given(arch_objects())
def test_json_round_trip_and_digest_of_equal_specs(description: dict[str, Any]) -> None:
    try:
        spec = ArchSpec(**description)
    except SpecError:
        assume(False)
    for again in (ArchSpec.from_json(spec.to_json()), ArchSpec.from_json(spec.to_json(indent=2).encode())):
        assert again == spec
        assert hash(again) == hash(spec)
        assert again.digest == spec.digest
    assert re.fullmatch("[0-9a-f]{16}", spec.digest)


@properties
@given(st.one_of(st.text(max_size=60), st.binary(max_size=60), json_values.map(json.dumps)))
def test_from_json_of_anything_raises_only_spec_error(text: str | bytes) -> None:
    with pytest.raises(SpecError) as caught:
        ArchSpec.from_json(text)
    assert_one_line(caught.value)


@properties
@given(st.data())
def test_from_json_of_a_damaged_file_raises_only_spec_error(data: st.DataObject) -> None:
    text = bytearray(example_spec().to_json().encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 3)))
        text[start:end] = data.draw(st.binary(max_size=3))
    read_or_refuse(bytes(text))


@properties
@given(st.data(), json_values)
def test_from_json_with_any_value_in_any_place_raises_only_spec_error(data: st.DataObject, value: Any) -> None:
    tree = json.loads(example_spec().to_json())
    node = tree
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = value
    read_or_refuse(json.dumps(tree))


BAD_BLOCKS = [
    ({"kind": "gost", "out_chans": 8}, "'ghost'"),
    ({"kind": "inverted_residal", "out_chans": 8}, "'inverted_residual'"),
    ({"out_chans": 8}, "kind"),
    ({"kind": "conv"}, "out_chans"),
    ({"kind": "conv", "out_chans": "8"}, "out_chans"),
    ({"kind": "conv", "out_chans": 8.0}, "out_chans"),
    ({"kind": "conv", "out_chans": True}, "out_chans"),
    ({"kind": "conv", "out_chans": 0}, "out_chans"),
    ({"kind": "conv", "out_chans": 10**9}, "out_chans"),
    ({"kind": "conv", "out_chans": 10**5000}, "out_chans"),
    ({**CONV, "stride": 0}, "stride"),
    ({**CONV, "stride": 9}, "stride"),
    ({**CONV, "stride": None}, "stride"),
    ({**CONV, "strid": 2}, "strid"),
    ({**CONV, "options": {"kernl": 3}}, "kernl"),
    ({**CONV, "options": {"kernel": "3"}}, "kernel"),
    ({**CONV, "options": {"kernel": True}}, "kernel"),
    ({**CONV, "options": {"kernel": 0}}, "kernel"),
    ({**CONV, "options": {"norm": 1}}, "norm"),
    ({**CONV, "options": {"act": "tanh"}}, "act"),
    ({**CONV, "options": {"stride": 2}}, "stride"),
    ({**CONV, "options": {"groups": 3}}, "multiple of 3"),
    ({**CONV, "options": [["kernel", 3]]}, "options"),
    ({**CONV, "options": None}, "options"),
    ({**CONV, "options": (1, 2)}, "options"),
    ({**CONV, "options": (([], 2),)}, "options"),
    ({"kind": "ghost", "out_chans": 8, "options": {"expand": math.nan}}, "expand"),
    ({"kind": "ghost", "out_chans": 8, "options": {"expand": math.inf}}, "expand"),
    ({"kind": "ghost", "out_chans": 8, "options": {"expand": -1.0}}, "expand"),
    ({"kind": "shuffle_v2", "out_chans": 16}, "stride 1 keeps the channels: 8 in, 16 out"),
    ({"kind": "shuffle_v2", "out_chans": 8, "stride": 3}, "stride must be 1 or 2"),
    ({"kind": "shuffle_v1", "out_chans": 8, "stride": 4, "options": {"groups": 1}}, "stride must be 1 or 2"),
    ({"kind": "max_pool", "out_chans": 16}, "8 in, 16 out"),
    ({"kind": "fire", "out_chans": 7}, "multiple of 2"),
    ({**CONV, "options": {"kernel": 31, "padding": 0}}, "16x16 pixels"),
    ({b"kind": "conv", "out_chans": 8}, "strings"),
    ({1: 2}, "strings"),
    ({"kind": "conv\n", "out_chans": 8}, "conv"),
    ({"kind": "c" * 100_000, "out_chans": 8}, "kind"),
    ({"kind": b"conv", "out_chans": 8, "options": (("nonsense", 1),)}, "kind"),
    ({**CONV, "line\nbreak": 1}, r"line\nbreak"),
    ({**CONV, "x" * 100_000: 1}, "xxx"),
    (None, "dictionary"),
    ("conv", "dictionary"),
    (HeadSpec(), "dictionary"),
]


@pytest.mark.parametrize(("block", "fragment"), BAD_BLOCKS, ids=[str(i) for i in range(len(BAD_BLOCKS))])
def test_a_bad_block_is_refused_in_one_line_that_names_its_place(block: Any, fragment: str) -> None:
    good = {"kind": "conv", "out_chans": 8, "stride": 2}
    with pytest.raises(SpecError) as caught:
        ArchSpec(resolution=32, blocks=(good, CONV, CONV, block))
    assert_one_line(caught.value)
    assert str(caught.value).startswith("blocks[3]")
    assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"resolution": 0}, "resolution"),
        ({"resolution": 10**6}, "resolution"),
        ({"resolution": 32.0}, "resolution"),
        ({"resolution": "32"}, "resolution"),
        ({"resolution": None}, "resolution"),
        ({"blocks": ()}, "blocks"),
        ({"blocks": None}, "blocks"),
        ({"blocks": "conv"}, "blocks"),
        ({"blocks": [CONV] * 10_000}, "blocks"),
        ({"blocks": [CONV] * (MAX_BLOCKS + 1)}, "blocks"),
        ({"bn_eps": math.nan}, "bn_eps"),
        ({"bn_eps": 0.0}, "bn_eps"),
        ({"bn_eps": "0.001"}, "bn_eps"),
        ({"bn_momentum": True}, "bn_momentum"),
        ({"bn_momentum": -0.1}, "bn_momentum"),
        ({"padding": "valid"}, "padding"),
        ({"schema_version": 2}, "schema_version"),
        ({"head": {"kind": "liner"}}, "'linear'"),
        ({"head": {"kind": "conv", "options": {"hidden": 3}}}, "hidden"),
        ({"head": {"options": {"dropout": 1.0}}}, "dropout"),
        ({"head": "linear"}, "head"),
        ({"head": {1: 2}}, "head"),
        ({"heads": {}}, "heads"),
    ],
)
def test_a_bad_field_is_refused_in_one_line_that_names_it(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError) as caught:
        ArchSpec(**{"resolution": 32, "blocks": (CONV,), **fields})
    assert_one_line(caught.value)
    assert path in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '{"resolution": 32, "blocks": [{"kind": "conv", "out_chans": NaN}]}',
        '{"resolution": 32, "blocks": [{"kind": "conv", "out_chans": 8}], "bn_eps": NaN}',
        '{"resolution": 32, "blocks": [{"kind": "conv", "out_chans": 8}], "bn_eps": Infinity}',
        '{"resolution": 32, "blocks": [{"kind": "\\ud800", "out_chans": 8}]}',
        '{"resolution": 32, "blocks": [{"kind": "conv", "out_chans": 8, "options": {"kernel": [[[]]]}}]}',
        '{"resolution": 1e400, "blocks": [{"kind": "conv", "out_chans": 8}]}',
        "[" * 100_000,
        b"\xff\xfe",
        "\ud800",
        "",
    ],
    ids=["nan channels", "nan eps", "inf eps", "surrogate", "nested", "1e400", "deep", "bytes", "not utf-8", "empty"],
)
def test_bad_json_raises_spec_error(text: str | bytes) -> None:
    with pytest.raises(SpecError) as caught:
        ArchSpec.from_json(text)
    assert_one_line(caught.value)


def test_json_errors_name_the_place() -> None:
    tree = json.loads(example_spec().to_json())
    tree["blocks"][1]["options"]["kernel"] = "five"
    with pytest.raises(SpecError, match=r"^blocks\[1\]: options of 'ghost': kernel: "):
        ArchSpec.from_json(json.dumps(tree))


def test_a_huge_file_is_refused_by_its_size_alone() -> None:
    padded = example_spec().to_json() + " " * MAX_JSON_CHARS
    with pytest.raises(SpecError, match="at most 1,000,000"):
        ArchSpec.from_json(padded)
    assert ArchSpec.from_json(padded[:MAX_JSON_CHARS]) == example_spec()


def test_more_weights_than_a_block_may_have_are_refused_without_taking_the_memory() -> None:
    wide = {"kind": "conv", "out_chans": 16384, "options": {"kernel": 1}}
    with pytest.raises(SpecError, match=r"^blocks\[1\]: conv"):
        ArchSpec(resolution=4, blocks=(wide, {**wide, "options": {"kernel": 31}}))


def test_specs_are_frozen() -> None:
    whole = example_spec()
    for spec, name in ((whole, "resolution"), (whole.blocks[0], "stride"), (whole.head, "kind")):
        before = getattr(spec, name)
        with pytest.raises(ValueError, match="frozen"):
            setattr(spec, name, before)
        assert getattr(spec, name) == before


def test_specs_survive_pickling() -> None:
    spec = example_spec()
    _ = spec.digest, spec.shapes
    again = pickle.loads(pickle.dumps(spec))
    assert again == spec
    assert again.digest == spec.digest


def option_defaults() -> list[tuple[str, str, Any]]:
    return [
        (kind, name, parameter.default)
        for kind in BLOCKS
        for name, parameter in inspect.signature(BLOCKS.get(kind).__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and has_option(kind, name)
    ]


@pytest.mark.parametrize(("kind", "name", "default"), option_defaults())
def test_an_option_equal_to_its_default_does_not_change_the_spec(kind: str, name: str, default: Any) -> None:
    plain = BlockSpec(kind=kind, out_chans=24, stride=2)
    spelled = BlockSpec(kind=kind, out_chans=24, stride=2, options={name: default})
    assert spelled == plain
    assert hash(spelled) == hash(plain)
    assert spelled.model_dump_json() == plain.model_dump_json()


@pytest.mark.parametrize(("kind", "name", "default"), option_defaults())
def test_every_option_changes_the_digest(kind: str, name: str, default: Any) -> None:
    specs = []
    for stem_chans, stride in ((24, 2), (48, 2), (24, 1), (48, 1)):  # some must widen, some not, some take no stride
        for value in (default, *(v for v in OPTION_VALUES.get(name, ()) if v != default)):
            block = {"kind": kind, "out_chans": 48, "stride": stride, "options": {name: value}}
            with contextlib.suppress(SpecError):  # an option of the same name may allow less in another block
                specs.append(ArchSpec(resolution=32, blocks=({"kind": "conv", "out_chans": stem_chans}, block)))
    assert len(specs) > 1, f"add values of {name!r} to OPTION_VALUES: the properties above do not cover it"
    assert len({spec.digest for spec in specs}) == len(specs)


@pytest.mark.parametrize(
    "change",
    [
        {"resolution": 33},
        {"bn_eps": 2e-3},
        {"bn_momentum": 0.01},
        {"padding": "symmetric"},
        {"head": HeadSpec()},
        {"head": HeadSpec(kind="conv")},
        {"blocks": example_spec().blocks[:2]},
        {"blocks": (*example_spec().blocks, example_spec().blocks[2])},
        {"blocks": (*example_spec().blocks[:2], BlockSpec(kind="fire", out_chans=32))},
        {"blocks": (*example_spec().blocks[:2], BlockSpec(kind="fire", out_chans=34, options={"norm": True}))},
    ],
)
def test_every_field_changes_the_digest(change: dict[str, Any]) -> None:
    spec = example_spec()
    fields = {name: getattr(spec, name) for name in ArchSpec.model_fields}
    changed = ArchSpec(**{**fields, **change})
    assert changed != spec
    assert changed.digest != spec.digest


def test_an_integer_stands_for_the_float_it_equals() -> None:
    whole, point = (BlockSpec(kind="ghost", out_chans=8, options={"expand": value}) for value in (3, 3.0))
    assert whole == point
    assert whole.model_dump_json() == point.model_dump_json()


def test_defaults_are_left_out_of_the_json() -> None:
    spec = ArchSpec(resolution=32, blocks=({**CONV, "stride": 1, "options": {"act": "relu"}},))
    tree = json.loads(spec.to_json())
    assert tree["blocks"][0].pop("options", {}) == {}
    assert tree == {"resolution": 32, "blocks": [{"kind": "conv", "out_chans": 8}]}


def test_the_order_of_options_does_not_matter() -> None:
    one = BlockSpec(kind="ghost", out_chans=8, options={"kernel": 5, "expand": 3.0})
    two = BlockSpec(kind="ghost", out_chans=8, options={"expand": 3.0, "kernel": 5})
    assert one == two
    assert one.model_dump_json() == two.model_dump_json()


@pytest.mark.parametrize("kind", zoo.list_blocks())
@pytest.mark.parametrize("stride", [1, 2])
def test_every_block_works_with_its_defaults(kind: str, stride: int) -> None:
    specs = []
    for chans in (24, 48):  # some blocks must widen at stride 2
        block = {"kind": kind, "out_chans": chans, "stride": stride}
        with contextlib.suppress(SpecError):
            specs.append(ArchSpec(resolution=16, blocks=({"kind": "conv", "out_chans": 24}, block)))
    assert specs
    for spec in specs:
        assert spec.shapes[1] == (spec.blocks[1].out_chans, 16 // stride, 16 // stride)
        assert spec.build(num_classes=3, seed=0)(torch.randn(2, 3, 16, 16)).shape == (2, 3)


def test_a_spec_that_fits_colour_only_says_so_when_built_for_grey() -> None:
    spec = ArchSpec(resolution=16, blocks=({"kind": "max_pool", "out_chans": 3}, CONV))
    assert spec.build(num_classes=2, in_chans=3)(torch.randn(2, 3, 16, 16)).shape == (2, 2)
    with pytest.raises(SpecError, match=r"^blocks\[0\]: max_pool: .*1 in, 3 out"):
        spec.build(num_classes=2, in_chans=1)


def test_spec_error_is_both_an_edgezoo_error_and_a_value_error() -> None:
    assert issubclass(SpecError, zoo.EdgezooError)
    assert issubclass(SpecError, ValueError)
