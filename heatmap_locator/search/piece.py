"""A piece made ready for the rotation bank: outline found, cropped, resized, reference set."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.errors import InputError, NoPieceError
from heatmap_locator.geometry import CELL, Array, compose, similarity
from heatmap_locator.model.bank import OVERSAMPLE, rotate_all_round
from heatmap_locator.outline.body import Body, find_body
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.outline.find import CONTOUR_INSET as CONTOUR_INSET
from heatmap_locator.outline.find import outline_points, outlines_in_photos
from heatmap_locator.outline.given import Outline, Shown, given_outline
from heatmap_locator.outline.light import Light, look_at_light, look_for_own_shadow
from heatmap_locator.outline.sides import Sides, find_sides
from heatmap_locator.picture.read import ImageSource, read_piece
from heatmap_locator.picture.shared_light import Colour, colour_of
from heatmap_locator.resample import resize

MARGIN = 4
"""Pixels kept around the outline's box, so that resizing has something to average with."""


@dataclass(frozen=True)
class PreparedPiece:
    """A piece at ``OVERSAMPLE * CELL`` pixels a cell.

    Attributes:
        rgb: (H, W, 3) uint8, the photo as read.
        mask: (H, W) float32, 0..1, its outline.
        photo: ``(1, 3, h, w)``, 0..1, resized, its light made even where a shadow's edge crosses
            it.
        weight: ``(1, 1, h, w)``, 0..1, the mask resized, less what shows no print.
        reference: ``(1, 2)``, (x, y) of the mask's centroid in the resized photo.
        body: the piece without knobs and blanks, in pixels of ``rgb``.
        contour: (N, 2) points of the outline in pixels of ``rgb``.
        to_resized: 2x3 matrix from pixels of ``rgb`` to pixels of ``photo``.
        assumed: the outline was not given, nor seen clearly: all of the photo is taken for the
            piece, or what might be one.
        searched: the outline was found in the photo, and not given.
        cut_off: it runs into the photo's edge, so that it is not the piece's alone.
        clear: 0..1, mean of the mask inside: how surely the outline was seen.
        hidden: 0..1, share of the piece that shows no print: burnt out, under a finger.
        step: natural logarithm, 0 and more, of the factor by which light changes across the piece
            at a shadow's edge; 0 where there is none.
    """

    rgb: np.ndarray
    mask: np.ndarray
    photo: Tensor
    weight: Tensor
    reference: Tensor
    body: Body
    contour: Array
    to_resized: Array
    assumed: bool = False
    searched: bool = False
    cut_off: bool = False
    clear: float = 1.0
    hidden: float = 0.0
    step: float = 0.0

    def mirrored(self) -> "PreparedPiece":
        """The piece as its photo would show it if it were mirrored left to right."""
        width, own = self.rgb.shape[1], self.photo.shape[3]
        (x, y), body = self.body.middle, self.body
        to_resized = self.to_resized.copy()
        # From a mirrored pixel to the photo's, to the resized, and mirrored again.
        to_resized[0] = [to_resized[0, 0], -to_resized[0, 1], own - to_resized[0, 2]]
        to_resized[0, 2] -= self.to_resized[0, 0] * width
        to_resized[1] = [-to_resized[1, 0], to_resized[1, 1], to_resized[1, 2]]
        to_resized[1, 2] += self.to_resized[1, 0] * width
        return replace(
            self,
            rgb=self.rgb[:, ::-1],
            mask=self.mask[:, ::-1],
            photo=self.photo.flip(3),
            weight=self.weight.flip(3),
            reference=self.reference * torch.tensor([-1.0, 1.0]) + torch.tensor([float(own), 0.0]),
            body=Body((width - x, y), -body.direction % 90.0 % 90.0, body.side),
            contour=np.ascontiguousarray((self.contour * [-1.0, 1.0] + [float(width), 0.0])[::-1]),
            to_resized=to_resized,
        )

    def rotated(self, rotations: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Templates and masks of ``bank.rotate_all_round``, on a device."""
        photo, weight, middle = (t.to(device) for t in (self.photo, self.weight, self.reference))
        return rotate_all_round(photo, weight, middle, rotations)

    @property
    def body_off(self) -> Tensor:
        """(2,) float64 (x, y) from the reference point to the body's middle, working pixels of a
        piece that is as large as its outline implies."""
        body = torch.from_numpy(self.to_resized @ [*self.body.middle, 1.0])
        return (body - self.reference[0].double()) / OVERSAMPLE

    @cached_property
    def sides(self) -> Sides | None:
        """Its corners and sides in pixels of ``rgb``; ``None`` where it has none that count: the
        outline is not its own alone, or has no four corners."""
        if self.assumed or self.cut_off or self.is_rectangle:
            return None
        return find_sides(self.mask, self.rgb if self.searched else None)

    @cached_property
    def colour(self) -> Colour | None:
        """Of its print in the photo, as ``picture.shared_light`` has it."""
        return colour_of(self.rgb, self.mask)

    @property
    def is_rectangle(self) -> bool:
        """Whether the photo is all piece, a rectangular crop."""
        return bool((self.mask > 0.5).all())

    def fits_into(self, height: int, width: int) -> bool:
        """Whether it is no crop that is larger than a picture, upright or on its side."""
        sides, own = sorted((height, width)), sorted(self.rgb.shape[:2])
        return not self.is_rectangle or (own[0] <= sides[0] and own[1] <= sides[1])


def prepare_pieces(
    sources: Sequence[ImageSource], finder: OutlineFinder | None = None, cutout: bool = False
) -> list[list[PreparedPiece] | InputError]:
    """Read photos of a piece each and bring them to size, as everything that may be the piece.

    Args:
        sources: photos, whose outlines are found together where nothing gives them.
        finder: asked for those; ``None`` reads the network that ships, anew, where it is needed.
        cutout: each is a piece cut out, whatever its shape: see ``given_outline``.

    Returns:
        of each at least one, the likeliest first; the error where it cannot be read, or a
        NoPieceError where it shows no piece.
    """
    answers: list[list[PreparedPiece] | InputError] = [[] for _ in sources]
    loose: list[tuple[int, np.ndarray, Shown]] = []
    outlines: list[tuple[int, np.ndarray, list[Outline]]] = []
    for index, source in enumerate(sources):
        try:
            rgb, alpha = read_piece(source)
            given = given_outline(rgb, alpha, name_of(source), cutout)
        except InputError as error:
            answers[index] = error
            continue
        if isinstance(given, Outline):
            outlines.append((index, rgb, [given]))
        else:
            loose.append((index, rgb, given))
    found = outlines_in_photos([shown for _, _, shown in loose], finder or OutlineFinder())
    outlines += [(index, rgb, own) for (index, rgb, _), own in zip(loose, found, strict=True)]
    for index, rgb, own in outlines:
        try:
            label = name_of(sources[index])
            answers[index] = [p for outline in own for p in _ways(rgb, outline, label)]
        except NoPieceError as error:
            answers[index] = error
    return answers


def prepare_piece(
    source: ImageSource, finder: OutlineFinder | None = None, cutout: bool = False
) -> PreparedPiece:
    """The likeliest that :func:`prepare_pieces` makes of one photo.

    Raises:
        NoPieceError: it shows no piece.
        InputError: it cannot be read.
    """
    (answer,) = prepare_pieces([source], finder, cutout)
    if isinstance(answer, InputError):
        raise answer
    return answer[0]


def fitting_into(
    prepared: list[PreparedPiece] | InputError, height: int, width: int, name: str
) -> list[PreparedPiece]:
    """What a photo may show, without crops that are larger than the picture.

    Args:
        prepared: of the photo.
        height, width: of the picture, in pixels.
        name: what errors call the photo.

    Raises:
        InputError: that of ``prepared``, or there is nothing but such crops.
    """
    if isinstance(prepared, InputError):
        raise prepared
    fitting = [p for p in prepared if p.fits_into(height, width)]
    if not fitting:
        raise NoPieceError(
            "no piece found, and larger than the picture, whose name comes last", name=name
        )
    return fitting


def name_of(piece: ImageSource) -> str:
    """What errors call a piece."""
    return str(piece) if isinstance(piece, (str, os.PathLike)) else "piece"


def _ways(rgb: np.ndarray, outline: Outline, label: str) -> list[PreparedPiece]:
    """What an outline may hold.

    White in a cut-out is print, or a highlight that hides it; a line at which a piece grows darker
    is print, or a shadow's edge.
    """
    lit = look_at_light(rgb, outline.mask, cut_out=not outline.searched)
    ways = [lit] if outline.searched else [Light()]
    if outline.sure and not (outline.mask > 0.5).all():
        ways += [lit] if lit.lost is not None and not outline.searched else []
        shaded = look_for_own_shadow(rgb, outline.mask, lit)
        ways += [] if shaded is None else [shaded]
    return [_prepare(rgb, outline, label, light) for light in ways]


def _prepare(rgb: np.ndarray, outline: Outline, label: str, light: Light) -> PreparedPiece:
    mask = outline.mask
    ys, xs = np.nonzero(mask > 0.5)
    if len(xs) < 16:
        raise NoPieceError("no piece found; photograph one piece on a plain background", name=label)
    body = find_body(mask)
    height, width = mask.shape
    left, right = max(0, xs.min() - MARGIN), min(width, xs.max() + 1 + MARGIN)
    top, bottom = max(0, ys.min() - MARGIN), min(height, ys.max() + 1 + MARGIN)
    factor = OVERSAMPLE * CELL / body.side
    size = (max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor)))
    photo = resize(light.levelled(rgb)[top:bottom, left:right], size, factor)
    weight = resize(mask[top:bottom, left:right], size, factor).clip(0, 1)
    scale = np.array([size[0] / (right - left), size[1] / (bottom - top)])
    to_resized = np.column_stack([np.diag(scale), -scale * [left, top]])
    total = weight.sum()
    reference = [
        float((weight.sum(0) * (np.arange(size[0]) + 0.5)).sum() / total),
        float((weight.sum(1) * (np.arange(size[1]) + 0.5)).sum() / total),
    ]
    if light.lost is not None:
        weight = weight * (1 - resize(light.lost[top:bottom, left:right], size, factor, soft=True))
    return PreparedPiece(
        rgb=rgb,
        mask=mask,
        photo=torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255,
        weight=torch.from_numpy(np.ascontiguousarray(weight))[None, None].float(),
        reference=torch.tensor([reference]),
        body=body,
        contour=outline_points(mask),
        to_resized=to_resized,
        assumed=not outline.sure,
        searched=outline.searched,
        cut_off=outline.cut_off,
        clear=float(mask[ys, xs].mean()),
        hidden=1 - float(weight.sum() / total),
        step=light.step,
    )


def photo_to_working(piece: PreparedPiece, place: tuple[float, float], rotation: float) -> Array:
    """2x3 matrix from pixels of ``piece.rgb`` to working pixels of the picture."""
    x, y = (float(v) for v in piece.reference[0])
    upright = similarity((x, y), place, -rotation, 1 / OVERSAMPLE)
    return compose(upright, piece.to_resized)
