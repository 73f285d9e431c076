"""``heatmap-eval ladder``."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def check(args: argparse.Namespace) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    return 0
