"""Encoders of segmentation-models-pytorch, by name, without the parts that never run.

Only for configurations that name an encoder other than those of ``backbones.py``: the library and
what it imports are an extra, and take seconds to load.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from heatmap_locator.errors import InputError, MissingPackageError
from heatmap_locator.model.norm import ChannelNorm

# A side that every halving of five divides; more than one pixel is left for any norm.
_PROBE = 64
_COLLECTIONS = nn.ModuleList, nn.ModuleDict, nn.Sequential


def replace_batch_norm(module: nn.Module) -> None:
    """Put a ChannelNorm wherever ``module`` has a BatchNorm2d, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, ChannelNorm(child.num_features))
        else:
            replace_batch_norm(child)


def zoo_encoder(name: str, inputs: int, depth: int) -> nn.Module:
    """``backbone`` of any name that smp knows."""
    with _building(name) as smp:
        made = smp.encoders.get_encoder(name, in_channels=inputs, depth=depth, weights=None)
        replace_batch_norm(made)
        strip_unused(made, inputs, lambda module, x: module(x)[-1])
    return made


def zoo_unet(name: str, inputs: int, channels: Sequence[int], classes: int) -> nn.Module:
    """``unet`` of any name that smp knows."""
    with _building(name) as smp:
        made = smp.Unet(
            encoder_name=name,
            encoder_depth=len(channels),
            encoder_weights=None,
            decoder_channels=tuple(channels),
            in_channels=inputs,
            classes=classes,
        )
        replace_batch_norm(made)
        strip_unused(made, inputs, lambda module, x: module(x))
    return made


@contextmanager
def _building(name: str) -> Iterator[Any]:
    """segmentation-models-pytorch, and one line for whatever it makes of a name."""
    try:
        import segmentation_models_pytorch as smp
    except ImportError:
        raise MissingPackageError(
            f"encoder {name!r} needs segmentation-models-pytorch; "
            "pip install 'heatmap-locator[encoders]'"
        ) from None
    try:
        # What is never run shows only where gradients are computed.
        with torch.enable_grad():
            yield smp
    except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"encoder {name!r}: segmentation-models-pytorch cannot build it so ({reason}); "
            "name another of its encoders"
        ) from error


class Stripped(nn.Module):
    """Stands where a module was that nothing depends on, though something may still call it.

    Args:
        channels, scale: of its output and of that's height over its input's; ``None`` where it
            was never called so.
    """

    def __init__(self, channels: int | None, scale: float | None) -> None:
        super().__init__()
        self.channels, self.scale = channels, scale

    def forward(self, x: Any, *args: Any, **settings: Any) -> Any:
        if self.channels is None or self.scale is None:
            return x
        n, _, height, width = x.shape
        return x.new_zeros(n, self.channels, round(height * self.scale), round(width * self.scale))


def strip_unused(
    module: nn.Module, inputs: int, run: Callable[[nn.Module, Tensor], Tensor]
) -> None:
    """Take out whatever gets no gradient from the output, and forget it where a file holds it.

    Args:
        module: of ``(N, inputs, H, W)``.
        run: the module on such a batch, as it will be used.

    Raises:
        RuntimeError: the module is another without what was taken out.
    """
    image = torch.rand(2, inputs, _PROBE, _PROBE, generator=torch.Generator().manual_seed(0))
    training = module.training
    module.eval()
    stand_ins: dict[nn.Module, Stripped] = {}

    def note(part: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        pair = [t for t in (*given[:1], made) if isinstance(t, Tensor) and t.ndim == 4]
        if len(pair) == 2:
            stand_ins[part] = Stripped(pair[1].shape[1], pair[1].shape[2] / pair[0].shape[2])

    hooks = [part.register_forward_hook(note) for part in module.modules()]
    before = run(module, image)
    for hook in hooks:
        hook.remove()
    parameters = list(module.parameters())
    found = torch.autograd.grad(before.sum(), parameters, allow_unused=True)
    dead = {id(p) for p, gradient in zip(parameters, found, strict=True) if gradient is None}
    names = set(module.state_dict())
    _strip(module, dead, stand_ins)
    gone = names - set(module.state_dict())
    with torch.no_grad():
        if not torch.equal(run(module, image), before):
            raise RuntimeError("parts of it without a gradient are used all the same")
    module.train(training)

    def forget(module: nn.Module, state: dict[str, Any], prefix: str, *rest: object) -> None:
        for name in gone:  # files of 0.1.0 hold them
            state.pop(prefix + name, None)

    module.register_load_state_dict_pre_hook(forget)


def _strip(module: nn.Module, dead: set[int], stand_ins: Mapping[nn.Module, Stripped]) -> None:
    for name, child in module.named_children():
        own = list(child.parameters())
        # Collections stay, emptied: their owner may go through them.
        if own and not isinstance(child, _COLLECTIONS) and all(id(p) in dead for p in own):
            setattr(module, name, stand_ins.get(child, Stripped(None, None)))
        else:
            _strip(child, dead, stand_ins)
    for name, parameter in module.named_parameters(recurse=False):
        if id(parameter) in dead:
            setattr(module, name, None)
