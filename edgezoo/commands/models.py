"""edgezoo models: the networks of the zoo."""

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from edgezoo.commands import completion
from edgezoo.commands.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    import zoo
    from zoo.summary import Part

app = typer.Typer(help="Networks of the zoo by name.", no_args_is_help=True)


@app.command("list")
def list_command(
    pattern: Annotated[
        str, typer.Argument(help="Wildcards as in timm; timm/... lists timm's.", autocompletion=completion.networks)
    ] = "*",
    family: Annotated[str | None, typer.Option(help="Only families that match, wildcards too.")] = None,
    block: Annotated[
        str | None, typer.Option(help="Only networks with this kind of block.", autocompletion=completion.blocks)
    ] = None,
    max_params_m: Annotated[float | None, typer.Option(help="At most so many million parameters.")] = None,
    max_macs_m: Annotated[float | None, typer.Option(help="At most so many million multiply-adds.")] = None,
    as_json: AsJson = False,
) -> None:
    """List networks with their size and published accuracy.

    Example: edgezoo models list 'mobilenet*' --max-macs-m 100
    """
    import zoo

    names = zoo.list_models(pattern, family=family, block=block, max_params_m=max_params_m, max_macs_m=max_macs_m)
    if pattern.startswith("timm/"):
        print_json(names) if as_json else print("\n".join(names))
        return
    infos = [zoo.model_info(name) for name in names]
    if as_json:
        print_json([dataclasses.asdict(info) for info in infos])
        return
    rows = [
        (
            info.name,
            f"{info.params / 1e6:.3f}",
            f"{info.macs / 1e6:.1f}",
            str(info.resolution),
            f"{info.reported_top1:.1f}" if info.reported_top1 else "",
            info.paper,
        )
        for info in infos
    ]
    print_table(("network", "params M", "MACs M", "pixels", "top-1 %", "paper"), rows)


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(help="Name of a network.", autocompletion=completion.networks)],
    as_json: AsJson = False,
) -> None:
    """Show a network stage by stage and block by block: shapes, parameters, multiply-adds.

    Example: edgezoo models show ghostnet_100
    """
    import zoo
    from zoo.summary import stages, summarize

    info = zoo.model_info(name)
    facts = dataclasses.asdict(info)
    if not info.blocks:  # a baseline out of another library
        print_json(facts) if as_json else print(_sentence(info))
        return
    spec = zoo.get_spec(name)
    blocks, head = summarize(spec)
    if as_json:
        parts = {"stages": stages(blocks), "blocks": blocks, "head": [head]}
        facts |= {key: [dataclasses.asdict(part) for part in members] for key, members in parts.items()}
        print_json(facts | {"spec": spec.model_dump(mode="json", exclude_defaults=True)})
        return
    options = [dict(block.options) for block in (*spec.blocks, spec.head)]
    rows = [
        (part.name, str(part.stage), *_figures(part), ", ".join(f"{key} {value}" for key, value in chosen.items()))
        for part, chosen in zip((*blocks, head), options, strict=True)
    ]
    print_table(("block", "stage", "output", "params", "MACs M", "options"), rows)
    print()
    rows = [(f"{part.stage}: {part.name}", *_figures(part)) for part in (*stages(blocks), head)]
    print_table(("stage", "output", "params", "MACs M"), rows)
    print(f"\n{_sentence(info)}")


def _sentence(info: "zoo.ModelInfo") -> str:
    top1 = f", top-1 {info.reported_top1} % ({info.top1_source})" if info.reported_top1 else ""
    return f"{info.params:,} parameters, {info.macs / 1e6:.1f} M MACs{top1}, {info.paper} ({info.year})"


def _figures(part: "Part") -> tuple[str, str, str]:
    return "x".join(map(str, part.out_shape)), f"{part.params:,}", f"{part.macs / 1e6:.2f}"
