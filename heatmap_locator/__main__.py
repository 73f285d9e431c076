"""``python -m heatmap_locator`` is ``heatmap-predict``."""

import sys

from heatmap_locator.command.cli import main

if __name__ == "__main__":
    sys.exit(main())
