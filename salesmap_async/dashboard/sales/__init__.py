"""Won sums, StatePath, pipeline and deal check."""
