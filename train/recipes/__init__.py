"""Recipes: one TOML file each, read by heatmap-train."""
