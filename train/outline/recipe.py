"""What a recipe of the outline network says."""

from dataclasses import field

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from heatmap_locator.outline.network import MULTIPLE, OutlineConfig

from ..draw.photos import PhotoSettings
from ..settings import SETTINGS, Count
from ..shared.recipe import LoopRecipe


@dataclass(frozen=True, config=SETTINGS)
class OutlineRecipe(LoopRecipe):
    """Trains the outline network; told from the others by its table ``[outline]``.

    Attributes:
        pool: photos that are drawn to train on.
    """

    pool: Count = 10000
    photos: PhotoSettings = field(default_factory=PhotoSettings)
    outline: OutlineConfig = field(default_factory=OutlineConfig)

    @model_validator(mode="after")
    def _photos_fit_the_network(self) -> "OutlineRecipe":
        net = self.outline
        if self.photos.size % MULTIPLE or net.size != self.photos.size:
            raise ValueError(
                f"photos.size and outline.size must be the same multiple of {MULTIPLE}"
            )
        if len(net.channels) != 4 or len(net.decoder) != 5:
            raise ValueError("outline.channels must be four numbers, outline.decoder five")
        if min(*net.channels, *net.decoder, net.fused) < 1:
            raise ValueError("outline.channels, decoder and fused must be at least 1")
        return self
