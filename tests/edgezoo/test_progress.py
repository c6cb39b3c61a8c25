import io

from rich.console import Console

from edgezoo.progress import RecipeBar, stage
from model_compression.recipe.steps.prune import Prune


def _shown(act) -> str:
    """Return what a terminal shows at last of a bar of three on which `act` acts."""
    console = Console(file=io.StringIO(), force_terminal=True, width=140, legacy_windows=False)
    with stage(console, "compress it", 3) as advance:
        act(advance)
    return console.file.getvalue().rsplit("\r", 1)[-1] + console.file.getvalue().splitlines()[-1]


def test_a_bar_of_a_recipe_shows_what_the_step_does_and_how_far_it_is():
    def act(advance):
        bar = RecipeBar(advance)
        bar.progress("epochs, loss 0.100", 3, 3)
        bar.begin(1, Prune())
        bar.progress("widths measured", 23, 84)

    shown = _shown(act)
    assert "23/84" in shown and "prune: widths measured" in shown


def test_what_begins_anew_starts_at_its_own_figure():
    shown = _shown(lambda advance: [advance(3, "loss"), advance(1, "loss again")])
    assert "1/3" in shown and "loss again" in shown
    shown = _shown(lambda advance: [advance(3), advance(2, "", 10)])
    assert "2/10" in shown


def test_a_file_gets_one_line():
    console = Console(file=io.StringIO())
    with stage(console, "compress it", 3) as advance:
        advance(2, "note", 5)
    assert console.file.getvalue() == "compress it: 0 s\n"
