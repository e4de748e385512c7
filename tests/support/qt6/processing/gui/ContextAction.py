class ContextAction:
    """An entry of the toolbox's context menu."""
