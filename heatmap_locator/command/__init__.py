"""``heatmap-predict``."""
