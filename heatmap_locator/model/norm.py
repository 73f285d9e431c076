"""Normalisation that looks at one place only."""

from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel of ``(N, C, H, W)``.

    Batch statistics would tie a picture's features to the pieces encoded beside it, and a piece's
    to its fill; this normalises every place by itself, the same in training and afterwards.
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
