"""The classifier of CondenseNet (Huang et al., arXiv:1711.09224)."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from zoo.blocks.layers import Act, activation, require_multiple
from zoo.blocks.learned_group_conv import CondensedLinear, CondensingLinear
from zoo.heads import HEADS


@HEADS.register("condense")
class CondenseHead(nn.Module):
    """Batch norm, activation, average pool, dropout, linear layer that ends with a part of its inputs.

    The inputs go in the middle of the training, as in the paper (section 4.2); the authors' code drops them
    unprepared, at the conversion.

    Args:
        condense_factor: 1/`condense_factor` of the inputs stay.
        dropout: probability before the classifier.
    """

    def __init__(
        self,
        in_chans: int,
        num_classes: int,
        *,
        act: Act = "relu",
        condense_factor: Annotated[int, Field(ge=1, le=64)] = 2,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        deployed: bool = False,
    ) -> None:
        super().__init__()
        require_multiple(in_chans, condense_factor, "input channels")
        self.num_features = in_chans
        self.condense_factor = condense_factor
        self._classifier = CondensedLinear if deployed else CondensingLinear
        self.norm = nn.BatchNorm2d(in_chans)
        self.act = activation(act, in_chans)
        self.dropout = nn.Dropout(dropout)
        self.reset(num_classes)

    def reset(self, num_classes: int) -> None:
        if num_classes:
            self.classifier = self._classifier(self.num_features, num_classes, condense_factor=self.condense_factor)
        else:
            self.classifier = nn.Identity()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.act(self.norm(x)).mean((2, 3))
        return x if pre_logits else self.classifier(self.dropout(x))

    def deployed_state(self) -> dict[str, Tensor]:
        """Return the state of the shipped form; a classifier that is not condensed yet keeps its strongest inputs."""
        layer = self.classifier
        if not isinstance(layer, CondensingLinear):
            return self.state_dict()
        state = {key: value for key, value in self.state_dict().items() if not key.startswith("classifier.")}
        return state | {
            "classifier.index": layer.kept_inputs()[0],
            "classifier.linear.weight": layer.kept_weight(),
            "classifier.linear.bias": layer.bias,
        }
