class ProviderContextMenuActions:
    """The entries of the toolbox's context menu."""

    actions = []

    @classmethod
    def registerProviderContextMenuActions(cls, actions):
        cls.actions.extend(actions)

    @classmethod
    def deregisterProviderContextMenuActions(cls, actions):
        cls.actions[:] = [action for action in cls.actions if action not in actions]
