"""edgezoo models: the networks of the zoo."""

import dataclasses
from typing import Annotated

import typer

from edgezoo.commands.output import AsJson, print_json, print_table

app = typer.Typer(help="Networks of the zoo by name.", no_args_is_help=True)


@app.command("list")
def list_command(
    pattern: Annotated[str, typer.Argument(help="Wildcards as in timm; timm/... lists timm's.")] = "*",
    as_json: AsJson = False,
) -> None:
    """List networks with their size and published accuracy."""
    import zoo

    names = zoo.list_models(pattern)
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
def show_command(name: Annotated[str, typer.Argument(help="Name of a network.")], as_json: AsJson = False) -> None:
    """Show a network block by block."""
    import zoo

    info, spec = zoo.model_info(name), zoo.get_spec(name)
    if as_json:
        print_json(dataclasses.asdict(info) | {"spec": spec.model_dump(mode="json", exclude_defaults=True)})
        return
    shape, rows = (3, spec.resolution, spec.resolution), []
    for index, (block, out_shape) in enumerate(zip(spec.blocks, spec.shapes, strict=True)):
        count = zoo.complexity(block.build(shape[0]).to("meta"), shape)
        options = ", ".join(f"{key} {value}" for key, value in block.options)
        size = "x".join(map(str, out_shape))
        rows.append((f"{index} {block.kind}", size, f"{count.params:,}", f"{count.macs / 1e6:.2f}", options))
        shape = out_shape
    rows.append((f"head {spec.head.kind}", "", "", "", ", ".join(f"{k} {v}" for k, v in spec.head.options)))
    print_table(("block", "output", "params", "MACs M", "options"), rows)
    top1 = f", published top-1 {info.reported_top1} %" if info.reported_top1 else ""
    print(f"{info.params:,} parameters, {info.macs / 1e6:.1f} M MACs{top1}, {info.paper} ({info.year})")
