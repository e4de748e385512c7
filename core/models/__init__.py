"""Models: loading, safety, identity, the sidecar, our layers, writing SavedModels."""
