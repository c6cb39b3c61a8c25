"""Options that several commands have."""

from typing import Annotated

import typer

from edgezoo.commands import completion

Data = Annotated[
    str,
    typer.Option(
        help="digits, folder:PATH or torchvision:NAME, with @ROOT for its place.", autocompletion=completion.data
    ),
]
ImageSize = Annotated[int, typer.Option(help="Pixels at which images are read.", min=8, max=512)]
Runtime = Annotated[str, typer.Option(help="What executes the network.", autocompletion=completion.runtimes)]
Seed = Annotated[int, typer.Option(help="Seed of everything random.", min=0)]
Threads = Annotated[int, typer.Option(help="Threads of the runtime for one image.", min=1)]
