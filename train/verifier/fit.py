"""Trains the second stage on kept examples, and says what it gains on held-back ones."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.model.verifier import Member, Verifier

from ..draw.texture import texture_class
from ..shared.module import parameter_groups
from .batches import Shown, epochs, varied
from .kept import Packed
from .recipe import VerifierSettings

WARMUP = 100
"""Steps in which the rate rises."""


def loss_of(batch: Shown, added: Tensor, none: Tensor) -> Tensor:
    """Cross-entropy over the places of each piece and "none of these".

    Right places count together; where there is none, none of these is right.
    """
    logits = (batch.logits + added).masked_fill(~batch.real, -torch.inf)
    every = torch.cat([logits, none[:, None]], 1)
    right = torch.cat([batch.right, ~batch.right.any(1, keepdim=True)], 1)
    hit = every.masked_fill(~right, -torch.inf).logsumexp(1)
    return (every.logsumexp(1) - hit).mean()


def measure_scalars(member: Member, data: Shown) -> None:
    """Set the mean and deviation by which scalars are brought to one size."""
    scalars = data.scalars[data.real]
    member.mean.copy_(scalars.mean(0))
    member.deviation.copy_(scalars.std(0).clamp_min(1e-3))


def train_on(
    data: Shown,
    settings: VerifierSettings,
    seed: int,
    say: Callable[[str], None],
) -> Verifier:
    """Members trained on examples apart, together, in evaluation mode.

    Args:
        data: to learn from.
        settings: how.
        seed: everything random follows from it.
        say: told how far it is.
    """
    verifier = Verifier(settings.members, settings.hidden)
    for number in range(settings.members):

        def told(text: str, number: int = number) -> None:
            say(f"member {number + 1} of {settings.members}, {text}")

        verifier.members[number] = _member(data, settings, settings.members * seed + number, told)
    return verifier.eval().requires_grad_(False)


def _member(
    data: Shown, settings: VerifierSettings, seed: int, say: Callable[[str], None]
) -> Member:
    torch.manual_seed(seed)
    member = Member(settings.hidden)
    measure_scalars(member, data)
    groups = parameter_groups(member, settings.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    steps = settings.epochs * max(1, len(data) // settings.batch)

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / WARMUP)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    generator = torch.Generator().manual_seed(seed)
    rng, mean = np.random.default_rng(seed), 0.0
    for step, rows in enumerate(epochs(len(data), settings.batch, settings.epochs, rng)):
        batch = varied(data.rows(rows), generator)
        loss = loss_of(batch, *member(batch.scalars, batch.logits, batch.real))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(member.parameters(), settings.clip)
        optimizer.step()
        schedule.step()
        mean += (float(loss.detach()) - mean) * max(0.02, 1 / (step + 1))
        if step % 100 == 0:
            say(f"step {step} of {steps}, loss {mean:.3f}")
    return member


@torch.inference_mode()
def judged(verifier: Verifier, data: Shown) -> tuple[np.ndarray, float]:
    """(P, M) logits of the places, -inf where there is none, and the loss."""
    found, losses = [], []
    for rows in torch.arange(len(data)).split(128):
        batch = data.rows(rows)
        added, none = verifier(batch.scalars, batch.logits, batch.real)
        losses += [float(loss_of(batch, added, none))] * len(rows)
        found.append((batch.logits + added).masked_fill(~batch.real, -torch.inf))
    return torch.cat(found).numpy(), float(np.mean(losses))


@dataclass(frozen=True)
class Gain:
    """How many pieces of a kind have the right place first, before and now.

    Attributes:
        name: of the kind.
        pieces: asked.
        before, now: right.
        gained, lost: right now and not before, and the other way round.
        reached: with the right place among those looked at.
    """

    name: str
    pieces: int
    before: int
    now: int
    gained: int
    lost: int
    reached: int


def gains(data: Packed, before: np.ndarray, now: np.ndarray) -> list[Gain]:
    """Of all pieces, by picture, by texture and by number of pieces.

    Args:
        data: P pieces.
        before, now: (P, N) logits, -inf where there is no place.
    """
    at = np.arange(len(data.first))
    was, isnow = (data.right[at, logits.argmax(1)] for logits in (before, now))
    reached = (data.right & np.isfinite(before)).any(1)
    texture = np.array([texture_class(float(spread)) for spread in data.spread])
    groups = {"all": np.ones(len(at), bool)}
    groups |= {name: data.kind == name for name in ("plain", "repeating", "smooth")}
    groups |= {f"texture {name}": texture == name for name in ("low", "medium", "high")}
    small = data.pieces < 1000
    groups |= {"under 1,000 pieces": small, "1,000 and more": ~small}
    return [
        Gain(
            name,
            int(own.sum()),
            int(was[own].sum()),
            int(isnow[own].sum()),
            int((isnow & ~was)[own].sum()),
            int((was & ~isnow)[own].sum()),
            int(reached[own].sum()),
        )
        for name, own in groups.items()
        if own.any()
    ]


def recall(data: Packed, ks: tuple[int, ...] = (1, 5, 20, 60)) -> dict[int, float]:
    """Share of pieces with a right place among the first k of the ranker's order."""
    return {k: float(((data.first >= 0) & (data.first < k)).mean()) for k in ks}
