"""The options on Processing's page."""


class Setting:
    """One of them."""

    FILE, INT, STRING = "file", "int", "string"

    def __init__(self, group, name, description, default, valuetype=None, validator=None):
        self.name = name

    def read(self): ...


class ProcessingConfig:
    """All of them."""

    settings: dict = {}
    settingIcons: dict = {}

    @staticmethod
    def addSetting(setting):
        ProcessingConfig.settings[setting.name] = setting
