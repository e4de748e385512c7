"""A stub of qgis.core for Qt 6, as far as the plugin is loaded and its algorithms are described.

Any class can be imported from here and derived from; any method can be called. What is strict is what Qt 6 is strict
with: a name with a capital letter in a class is an enumeration (or a nested class), and a value of an enumeration is
found in it alone. `Class.Enumeration.Value` may be used; `Class.Value` is taken for an enumeration, and using it
raises a TypeError.
"""

from __future__ import annotations

from PyQt6.QtCore import QObject, pyqtSignal


class Value:
    """A value of an enumeration, or several."""

    def __or__(self, other):
        _check(other)
        return self

    __and__ = __ror__ = __or__

    def __bool__(self):
        return False


class Scope:
    """An enumeration, or a nested class."""

    def __init__(self, path):
        self._path = path

    def __getattr__(self, name):
        if not name[0].isupper():
            raise AttributeError(f"{self._path}.{name}")
        return Value()

    def __call__(self, *arguments, **named):
        _check(*arguments, *named.values())
        return Thing()


class _Named(type):
    """Gives a class what is asked of it by name."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Scope(f"{cls.__name__}.{name}") if name[0].isupper() else _method


def _method(*arguments, **named):
    _check(*arguments, *named.values())
    return Thing()


def _check(*values):
    for value in values:
        if isinstance(value, (list, tuple)):
            _check(*value)
        elif isinstance(value, Scope):
            raise TypeError(f"{value._path} has no enumeration's name before its own, which Qt 6 asks for")


class Thing(metaclass=_Named):
    """An object of any class; what is asked of it as a text is the text that it was given."""

    _help = ""

    def __init__(self, *arguments, **named):
        _check(*arguments, *named.values())

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Scope(f"{type(self).__name__}.{name}") if name[0].isupper() else _method

    def __or__(self, other):
        _check(other)
        return self

    def setHelp(self, text):
        self._help = text

    def help(self):
        return self._help


class QgsProcessingAlgorithm(Thing):
    """Knows its provider and its parameters."""

    def setProvider(self, provider):
        self._provider, self.parameters = provider, []

    def provider(self):
        return self._provider

    def addParameter(self, parameter):
        self.parameters.append(parameter)


class QgsProcessingModelAlgorithm(QgsProcessingAlgorithm):
    """Is described by a file."""

    def initAlgorithm(self):
        pass

    def displayName(self):
        return "model"


class QgsProcessingProvider(QObject):
    """Holds algorithms, as QGIS's own."""

    algorithmsLoaded = pyqtSignal()

    def __init__(self):
        super().__init__()
        self.algorithms = []

    def refreshAlgorithms(self):
        self.algorithms.clear()
        self.loadAlgorithms()

    def addAlgorithm(self, algorithm):
        algorithm.setProvider(self)
        algorithm.initAlgorithm()
        self.algorithms.append(algorithm)


class _Registry(QObject):
    providerAdded = pyqtSignal(str)

    def __init__(self):
        super().__init__()
        self.providers = {}

    def addProvider(self, provider):
        if not provider.load():
            return False
        self.providers[provider.id()] = provider
        self.providerAdded.emit(provider.id())
        return True

    def removeProvider(self, provider):
        self.providers.pop(provider.id()).unload()

    def providerById(self, identifier):
        return self.providers.get(identifier)


_registry = _Registry()
NULL = Thing()


class QgsApplication(Thing):
    """The application's parts that the plugin asks for."""

    @staticmethod
    def processingRegistry():
        return _registry

    @staticmethod
    def platform():
        return "desktop"

    @staticmethod
    def qgisSettingsDirPath():
        return "/nowhere"


class QgsProject(Thing):
    """A project that was not saved."""

    @staticmethod
    def instance():
        return QgsProject()

    def absolutePath(self):
        return ""


class QgsXmlUtils(Thing):
    """Reads a graphical model without texts."""

    @staticmethod
    def readVariant(element):
        return {"parameterDefinitions": {}, "help": {}, "children": {}}


class QgsSettings(Thing):
    """Settings of which none is set."""

    def value(self, name, default=None):
        return default


def __getattr__(name):
    if not name.startswith("Qg"):
        raise AttributeError(name)
    made = globals()[name] = _Named(name, (Thing,), {})
    return made
