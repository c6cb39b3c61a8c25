"""A network drawn block by block, with what the latency table says that each block costs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from edgezoo.report.html import folded, grid, paragraph, picture, section
from edgezoo.report.style import layout
from latency_tables.kernels import spec_parts
from zoo.summary import Part, block_notation, stages, summarize

if TYPE_CHECKING:
    from latency_tables import LatencyTable
    from zoo import ArchSpec

COLORS = ("#a9c9f5", "#f7c99b", "#a8dcb5", "#f2b3bd", "#d3c3ee", "#f3e299", "#a6dede", "#d9c4b0")
FIXED = "fixed"  # the name of what a network costs besides its parts
_ROW, _AROUND = 28, 150  # pixels


class Timed(NamedTuple):
    """A block, the head, or the fixed cost of a network, with its predicted latency.

    Attributes:
        text: what it is, in short.
        share: of the network's latency, 0..1.
    """

    part: Part
    text: str
    ms: float
    share: float


def timed_parts(spec: ArchSpec, latencies: LatencyTable) -> list[Timed]:
    """Return all parts of a network; their milliseconds add up to the table's prediction.

    Parameters and multiply-adds are of the network as it is trained, latencies of the form that ships.
    """
    blocks, head = summarize(spec, latencies.num_classes, latencies.in_chans)
    parts = (*blocks, head, Part(head.stage + 1, FIXED, (), 0, 0))
    texts = (*map(block_notation, spec.blocks), f"{head.name}{latencies.num_classes}", FIXED)
    costs = [latencies.part_cost(part) for part in spec_parts(spec, latencies.num_classes, latencies.in_chans)]
    values = [*(cost.value for cost in costs), latencies.beside_parts(sum(cost.weights for cost in costs))]
    return [
        Timed(part, text, value * latencies.reference_ms, value / sum(values))
        for part, text, value in zip(parts, texts, values, strict=True)
    ]


def architecture_section(title: str, spec: ArchSpec, latencies: LatencyTable) -> str:
    """Return the section of a page that shows a network: picture, stages, blocks."""
    timed, device = timed_parts(spec, latencies), latencies.device
    total = sum(t.ms for t in timed)
    what = (
        "From the image at the top to the classes; a box is as wide as it has channels, a line is where the resolution "
        f"falls. Beside it what the latency table predicts on {device.runtime} {device.dtype}: the parts add up to "
        f"{total:.3f} ms. '{FIXED}' is what the network costs besides its parts."
    )
    by_stage = stages(t.part for t in timed)
    stage_ms = [sum(t.ms for t in timed if t.part.stage == stage.stage) for stage in by_stage]
    stage_rows = [
        (str(stage.stage), stage.name, *_figures(stage), f"{ms:.3f}", f"{ms / total:.1%}")
        for stage, ms in zip(by_stage, stage_ms, strict=True)
    ]
    options = [*(dict(block.options) for block in (*spec.blocks, spec.head)), {}]
    strides = [*(str(block.stride) for block in spec.blocks), "", ""]
    block_rows = [
        (
            f"{index} {t.part.name}",
            ", ".join(f"{name} {value}" for name, value in chosen.items()),
            stride,
            *_figures(t.part),
            f"{t.ms:.3f}",
            f"{t.share:.1%}",
        )
        for index, (t, stride, chosen) in enumerate(zip(timed, strides, options, strict=True))
    ]
    figures = ("output", "parameters", "MACs M", "ms", "share")
    return section(
        title,
        paragraph(what),
        picture(architecture(timed), "architecture"),
        grid(("stage", "blocks", *figures), stage_rows, left=(0, 1)),
        folded("Block by block", grid(("block", "options", "stride", *figures), block_rows, left=(0, 1))),
    )


def architecture(timed: Sequence[Timed]) -> go.Figure:
    """The parts of a network from top to bottom: boxes as wide as their channels, and their latencies."""
    figure = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.03)
    colors = cycle(COLORS)
    for name in dict.fromkeys(t.part.name for t in timed):
        rows = [(index, t) for index, t in enumerate(timed) if t.part.name == name]
        places, chans = [index for index, _ in rows], [channels(t) for _, t in rows]
        style = {
            "y": places,
            "orientation": "h",
            "marker": {"color": next(colors)},
            "name": name,
            "legendgroup": name,
            "hovertext": [_hover(t) for _, t in rows],
            "hoverinfo": "text",
        }
        figure.add_bar(x=chans, base=[-width / 2 for width in chans], row=1, col=1, **style)
        figure.add_bar(
            x=[t.ms for _, t in rows],
            text=[f"{t.ms:.3f}, {t.share:.0%}" for _, t in rows],
            textposition="outside",
            textfont={"size": 12},
            constraintext="none",
            cliponaxis=False,
            showlegend=False,
            row=1,
            col=2,
            **style,
        )
    figure.add_scatter(
        x=[0] * len(timed),
        y=list(range(len(timed))),
        text=[t.text.split()[0] for t in timed],
        mode="text",
        textfont={"size": 12},
        hoverinfo="skip",
        showlegend=False,
        row=1,
        col=1,
    )
    layout(figure, "channels", "", height=_AROUND + _ROW * len(timed))
    figure.update_layout(barmode="overlay", bargap=0.15)
    figure.update_layout(margin={"l": 56, "r": 8, "b": 60}, legend={"y": 1, "yanchor": "bottom"})
    widest, slowest = max(map(channels, timed)), max(t.ms for t in timed)
    figure.update_xaxes(range=[-0.55 * widest, 0.55 * widest], showticklabels=False, showgrid=False, row=1, col=1)
    figure.update_xaxes(title="ms, share", range=[0, 1.8 * slowest], row=1, col=2)  # with room for the labels
    starts = stage_starts(timed)
    figure.update_yaxes(range=[len(timed) - 0.5, -0.5], showgrid=False, zeroline=False)
    middles = [(start + end - 1) / 2 for start, end in zip(starts, [*starts[1:], len(timed)], strict=True)]
    figure.update_yaxes(tickvals=middles, ticktext=[resolution(timed[start]) for start in starts], row=1, col=1)
    for start in starts[1:]:
        figure.add_hline(y=start - 0.5, line={"color": "#9aa5b1", "width": 1, "dash": "dot"})
    return figure


def channels(timed: Timed) -> int:
    """Return the channels of a part's output; 0 for the fixed cost."""
    return timed.part.out_shape[0] if timed.part.out_shape else 0


def stage_starts(timed: Sequence[Timed]) -> list[int]:
    """Return the index of the first part of each stage."""
    return [i for i, t in enumerate(timed) if i == 0 or t.part.stage != timed[i - 1].part.stage]


def resolution(timed: Timed) -> str:
    """Return the height of a part's output, "" for one without."""
    return f"{timed.part.out_shape[1]} px" if len(timed.part.out_shape) == 3 else ""


def _figures(part: Part) -> tuple[str, str, str]:
    return "x".join(map(str, part.out_shape)), f"{part.params:,}", f"{part.macs / 1e6:.2f}"


def _hover(timed: Timed) -> str:
    shape, params, macs = _figures(timed.part)
    return f"{timed.text}<br>{shape}<br>{params} parameters, {macs} M MACs<br>{timed.ms:.4f} ms, {timed.share:.1%}"
