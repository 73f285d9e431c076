"""The commands of heatmap-eval, a module each."""
