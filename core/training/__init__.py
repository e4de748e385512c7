"""Training models: data, strategies, fitting, checkpoints, reports."""
