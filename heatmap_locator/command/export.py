"""``heatmap-export FOLDER``: the networks as ONNX programs, or an older weights file as today's.

Exit status: 0 written, 2 not: nothing is written then, 130 interrupted.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from heatmap_locator import __version__
from heatmap_locator.completion import add_completion
from heatmap_locator.errors import InputError, display_name
from heatmap_locator.files import check_output_folder, check_weights_files, write_atomically
from heatmap_locator.options import Parser, pathname
from heatmap_locator.outcome import run_command

PROG = "heatmap-export"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Args:
        argv: arguments without the program's name; ``sys.argv[1:]`` by default.
    """
    return run_command(PROG, lambda: _run(build_parser().parse_args(argv)))


def build_parser() -> Parser:
    """The options, each with its line of help."""
    parser = Parser(
        prog=PROG,
        description="Writes encoder.onnx, head.onnx and outline.onnx, each compared with torch "
        "by ONNX Runtime before anything is written.",
        epilog="docs/export.md tells their inputs and outputs and what is left to do around them.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="FOLDER", type=pathname, help="made where there is none")
    parser.add_argument("--weights", metavar="FILE", help="a model's, instead of the shipped")
    parser.add_argument(
        "--outline-weights", metavar="FILE", help="an outline network's, instead of the shipped"
    )
    parser.add_argument(
        "--as-weights",
        action="store_true",
        help="write heatmap_locator.safetensors instead: of the weights what this version's model "
        "holds, which is less than files of older versions do",
    )
    add_completion(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _run(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    shown = display_name(folder)
    check_output_folder(folder, "FOLDER")
    check_weights_files(options.weights, options.outline_weights)

    written = _weights(options) if options.as_weights else _programs(options)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data, said in written:
            write_atomically(folder / name, data)
            print(f"{name}  {len(data) / 1e6:.2f} MB  {said}")
    except OSError as error:
        reason = f"cannot be written: {error.strerror}; give a folder with room that you may change"
        raise InputError(reason, shown) from error
    return 0


def _weights(options: argparse.Namespace) -> list[tuple[str, bytes, str]]:
    """Name, content and a remark of the weights file."""
    from heatmap_locator.model.files import SHIPPED, load_model, model_bytes

    model, extra = load_model(options.weights)
    count = sum(p.numel() for p in model.parameters())
    return [(SHIPPED, model_bytes(model, extra), f"{count:,} parameters")]


def _programs(options: argparse.Namespace) -> list[tuple[str, bytes, str]]:
    """The same of each program."""
    from heatmap_locator.geometry import STRIDE
    from heatmap_locator.model.files import load_model
    from heatmap_locator.model.onnx import encoder_part, head_part, outline_part, to_onnx
    from heatmap_locator.outline.network import MULTIPLE, OutlineConfig, load_outline_net

    model, extra = load_model(options.weights)
    outline = load_outline_net(options.outline_weights)
    own = {"version": __version__, "config": json.dumps(model.config.to_dict(), sort_keys=True)}
    config: OutlineConfig = outline.config
    parts = [
        (encoder_part(model.encoder, STRIDE), own),
        (head_part(model.head), {**own, "extra": json.dumps(extra, sort_keys=True)}),
        (outline_part(outline, MULTIPLE), {"version": __version__, "size": str(config.size)}),
    ]
    made = [(part.name, *to_onnx(part, metadata)) for part, metadata in parts]
    return [(f"{name}.onnx", data, f"within {far:.0e} of torch") for name, data, far in made]


if __name__ == "__main__":
    sys.exit(main())
