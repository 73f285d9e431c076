"""The training step: what a batch is asked, what it is scored by, what is logged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from heatmap_locator.errors import InputError
from heatmap_locator.geometry import CELL, RIGHT_ANGLE, STRIDE
from heatmap_locator.model.bank import rotate_all_round, rotate_piece
from heatmap_locator.model.files import load_model, save_model
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.model.network import EncodedImages, HeatmapLocator

from ..draw.scenes import Scenes
from ..shared.batches import SceneBatches
from ..shared.module import RecipeModule, collapse_gauge
from .losses import center_losses, volume_cross_entropy, volume_target
from .observed import Observed
from .places import circular_steps, map_points, masked_centroid
from .recipe import Recipe

NEAR_STEPS = 1.5
"""A best rotation within so many steps of the bank counts as the true one."""

WEIGHTS = "head.log_weights"
"""Name of the weights of the two correlations, which belong to the encoder's features."""

TAKEN_ALONG = ("calibration", "ranker", "verifier")
"""What is stored beside weights of what ranks places, and stays where that does."""

HEAD_WEIGHTS = {"heat": 0.1, "rank": 1.0}
"""The focal loss of a few pictures spikes by a factor of 50; at full weight it drowns the rest
(train/LOG.md, 2026-11-23: the head, at 576 pixels and with parabolas and the ranking loss)."""


class TrainingModule(RecipeModule):
    """The locator: encoder and head."""

    model: HeatmapLocator

    def __init__(
        self,
        recipe: Recipe,
        capture_on_device: SceneBatches | None = None,
        overfit: bool = False,
    ) -> None:
        super().__init__(recipe, capture_on_device, overfit)
        self.recipe = recipe
        self.model = HeatmapLocator(recipe.model)
        self._validation: list[dict[str, Tensor]] = []
        self._began: dict[str, Tensor] | None = None
        self._beside: dict[str, Any] = {}

    def write_weights(self, path: Path, extra: dict[str, Any]) -> None:
        share, model = self.recipe.run.written_share, self.model
        if self._began is not None:
            model = HeatmapLocator(model.config)
            ended = self.model.state_dict().items()
            model.load_state_dict({k: torch.lerp(self._began[k], v, share) for k, v in ended})
        save_model(model, path, {**self._beside, **extra})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self._began is not None:
            checkpoint["began"] = self._began
        checkpoint["beside"] = self._beside

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._began = checkpoint.get("began")
        self._beside = checkpoint.get("beside", {})

    def start_from(self, weights: str) -> None:
        """Take over the parameters of a weights file.

        The file's model may have another encoder with the same layers and fewer blocks (resnet18
        for resnet34): the blocks it lacks start as the identity, so that the larger model begins
        where the smaller one stands (Chen et al., "Net2Net", 2016).  A second stage is left out,
        as it weighs the places of the model that it was trained with, unless the recipe's model
        has one: then the file's calibration is taken along as well.  Where the encoder is trained,
        its features may have had another floor.  Where the recipe trains the head alone, the head
        starts afresh, whatever shape it had: only the encoder, the weights of the two correlations
        and what ranks places are taken.

        Raises:
            WeightsError: the file cannot be read.
            InputError: it is of another shape than the recipe's model.
        """
        model, extra = load_model(weights)
        own, shape = self.model.state_dict(), self.recipe.model
        state = dict(model.state_dict())
        first, wanted = replace(model.config, encoder=shape.encoder), shape
        if not shape.verifier:
            state = {k: v for k, v in state.items() if not k.startswith("ranker.verifier.")}
            first, wanted = (replace(c, verifier=0, verifier_hidden=0) for c in (first, shape))
        if self.recipe.run.train_encoder:
            first = replace(first, feature_floor=shape.feature_floor)
        else:
            kept = {k: v for k, v in state.items() if k == WEIGHTS or not k.startswith("head.")}
            fresh = {k: v for k, v in own.items() if k.startswith("head.")}
            state = fresh | kept
            first = replace(
                first,
                head_encoder=shape.head_encoder,
                head_decoder=shape.head_decoder,
                head_context=shape.head_context,
                head_reader=shape.head_reader,
            )
        # A residual block whose last norm is zero adds nothing to what passes it.
        added = {
            k: torch.zeros_like(v) if ".bn2." in k else v for k, v in own.items() if k not in state
        }
        if (
            first != wanted
            or any(k not in own or own[k].shape != v.shape for k, v in state.items())
            or not all(k.startswith("encoder.backbone.layer1.") for k in added)
        ):
            raise InputError(
                "its model is not the recipe's; change the recipe's [model]", name=weights
            )
        self.model.load_state_dict({**state, **added})
        if shape.verifier:
            self._beside = {k: extra[k] for k in TAKEN_ALONG if k in extra}
        if self.recipe.run.written_share < 1:
            self._began = {k: v.clone() for k, v in self.model.state_dict().items()}

    # ------------------------------------------------------------------ training

    def training_step(self, batch: Scenes | Observed, batch_idx: int) -> Tensor:
        loss = torch.zeros((), device=self.device)
        if isinstance(batch, Observed):
            return self._with_head(loss, self._observed_terms(batch)[0])
        generator = torch.Generator().manual_seed(self.recipe.run.seed * 1_000_003 + batch_idx)
        batch = self.captured(batch, batch_idx)
        if self.recipe.run.train_encoder:
            picture = self.model.encode_picture(batch.pictures)
            loss, hit = self._contrast(picture, batch, generator)
            self.log("train/volume", loss, sync_dist=True)
            self.log("train/top1", hit, prog_bar=True, sync_dist=True)
        else:
            with torch.no_grad():
                picture = self.model.encode_picture(batch.pictures)
        every = self.recipe.run.head_every
        if every and batch_idx % every == 0:
            return self._with_head(loss, self._head_terms(picture, batch)[0])
        return self._with_head(loss, {})

    def _with_head(self, loss: Tensor, terms: dict[str, Tensor]) -> Tensor:
        """The step's loss with the head's terms, logged."""
        for name, value in terms.items():
            self.log(f"train/{name}", value, sync_dist=True)
            loss = loss + self.recipe.run.head_weight * HEAD_WEIGHTS[name] * value
        self.log("train/loss", loss, prog_bar=True, sync_dist=True)
        return loss

    def _contrast(
        self, picture: EncodedImages, batch: Scenes, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy of every piece over sampled rotations and all positions."""
        b, p = batch.rotation.shape
        rotations, k = self.recipe.model.rotations, self.recipe.run.sampled_rotations
        step = 360.0 / rotations
        photos, masks = batch.photos.flatten(0, 1), batch.masks.flatten(0, 1)
        reference = masked_centroid(masks)
        centers = map_points(batch.homographies.flatten(0, 1), reference)

        position = batch.rotation.flatten() / step
        lower = position.floor()
        share = position - lower
        # The two hypotheses around the truth, quarter turns of it, and others.
        # Drawn for the pieces of all processes, so that it does not matter how they are shared out.
        rank, world = self.place
        mine = slice(rank * b * p, (rank + 1) * b * p)
        everyones = world * b * p
        quarters = torch.stack(
            [torch.randperm(3, generator=generator)[:2] for _ in range(everyones)]
        )[mine]
        others = torch.randint(3, rotations - 2, (everyones, k - 4), generator=generator)[mine]
        offsets = torch.cat([(quarters + 1) * (rotations // 4), others], 1).to(lower.device)
        index = torch.cat([lower[:, None], lower[:, None] + 1, lower[:, None] + offsets], 1)
        templates, template_masks = rotate_piece(photos, masks, reference, index % rotations * step)

        def per_picture(x: Tensor) -> Tensor:
            return x.reshape(b, p * k, *x.shape[2:])

        pieces = self.model.encode_pieces(per_picture(templates), per_picture(template_masks))
        feature, pixel = self.model.correlate(picture, pieces)
        volume = self.model.head.combine(feature, pixel)
        volume = volume.reshape(b * p, k, *volume.shape[-2:])
        weights = torch.zeros_like(index)
        weights[:, 0], weights[:, 1] = 1 - share, share
        target = volume_target(centers, weights, *volume.shape[-2:])
        loss = volume_cross_entropy(volume, target)

        with torch.no_grad():
            width = volume.shape[-1]
            best = volume.flatten(1).argmax(1)
            plane = best % (width * volume.shape[-2])
            found = torch.stack([plane % width, plane // width], 1) * STRIDE + STRIDE / 2
            near = (found - centers).norm(dim=1) < CELL / 2
            turned = best // (width * volume.shape[-2]) < 2
            hit = (near & turned).float().mean()
        return loss, hit

    def _head_terms(
        self, picture: EncodedImages, batch: Scenes
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The head's losses on the first pieces of each picture, over the whole bank.

        Features are not trained through it: the head must take correlations as they come.
        """
        with torch.no_grad():
            n = self.recipe.run.head_pieces
            photos, masks = batch.photos[:, :n].flatten(0, 1), batch.masks[:, :n].flatten(0, 1)
            reference = masked_centroid(masks)
            centers = map_points(batch.homographies[:, :n].flatten(0, 1), reference)
            bank = rotate_all_round(photos, masks, reference, self.recipe.model.rotations)
            pieces = self.model.encode_pieces(*bank).trimmed()
            feature, pixel = self.model.correlate_banks(picture, pieces)
        maps = self.model.head(feature, pixel)
        rotation = batch.rotation[:, :n].flatten()
        terms = self._score_maps(maps, centers, rotation)
        seen = {"feature": feature, "pixel": pixel, **vars(maps)}
        return terms, {"centers": centers, "turned": rotation, **seen}

    def _observed_terms(self, batch: Observed) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """As ``_head_terms``, of what was kept."""
        maps = self.model.head.read(*batch.channels())
        terms = self._score_maps(maps, batch.centers, batch.rotation)
        return terms, {"centers": batch.centers, "turned": batch.rotation, **vars(maps)}

    def _score_maps(self, maps: HeadMaps, centers: Tensor, rotation: Tensor) -> dict[str, Tensor]:
        rotations = self.recipe.model.rotations
        height, width = maps.best.shape[-2:]
        xs = (centers[:, 0] / STRIDE).long().clamp(0, width - 1)
        ys = (centers[:, 1] / STRIDE).long().clamp(0, height - 1)
        best = maps.best[torch.arange(len(centers)), ys, xs]
        steps = circular_steps(rotation * rotations / 360, best.float(), rotations)
        return center_losses(maps, centers, steps.abs() <= NEAR_STEPS)

    # ---------------------------------------------------------------- validation

    def validation_step(self, batch: Scenes | Observed, batch_idx: int) -> None:
        if isinstance(batch, Observed):
            terms, seen = self._observed_terms(batch)
        else:
            batch = self.captured_validation(batch, batch_idx)
            terms, seen = self._head_terms(self.model.encode_picture(batch.pictures), batch)
            if batch_idx == 0:
                self._log_pictures(batch, seen)
        rotations = self.recipe.model.rotations
        width = seen["heat"].shape[-1]
        best = seen["heat"].flatten(1).argmax(1)
        rows = torch.arange(len(best))
        ys, xs = best // width, best % width
        at = seen["offset"][rows, :, ys, xs]
        found = (torch.stack([xs, ys], 1) + at) * STRIDE
        turn = seen["rotation"][rows, :, ys, xs]
        residual = torch.rad2deg(torch.atan2(turn[:, 0], turn[:, 1])) / (rotations / 4)
        angle = seen["best"][rows, ys, xs] * (360.0 / rotations) + residual
        error = circular_steps(angle, seen["turned"], 360).abs()
        near = (found - seen["centers"]).norm(dim=1) < CELL / 2
        self._validation.append(
            {
                "found": found,
                "truth": seen["centers"],
                "place": near.float(),
                "both": (near & (error < RIGHT_ANGLE)).float(),
                "angle_error": error[near],
                "heat": terms["heat"][None],
            }
        )

    def on_validation_epoch_end(self) -> None:
        if not self._validation:
            return
        joined = {k: torch.cat([v[k] for v in self._validation]) for k in self._validation[0]}
        self._validation.clear()
        self.log("val/both", joined["both"].mean(), prog_bar=True)
        self.log("val/place", joined["place"].mean())
        self.log("val/heat", joined["heat"].mean())
        self.log("val/collapse_gauge", collapse_gauge(joined["found"], joined["truth"]))
        if len(joined["angle_error"]):
            self.log("val/angle_error", joined["angle_error"].median())

    def _log_pictures(self, batch: Scenes, seen: dict[str, Tensor]) -> None:
        writer = next((x for x in self.loggers if isinstance(x, TensorBoardLogger)), None)
        if writer is None:
            return
        board, step = writer.experiment, self.global_step
        board.add_image("picture", batch.pictures[0].clamp(0, 1), step)
        board.add_image("piece", batch.photos[0, 0].clamp(0, 1), step)
        board.add_image("correlation/features", seen["feature"][0].amax(0)[None].clamp(0, 1), step)
        board.add_image("correlation/pixels", seen["pixel"][0].amax(0)[None].clamp(0, 1), step)
        board.add_image("heatmap", seen["heat"][0].sigmoid(), step)
