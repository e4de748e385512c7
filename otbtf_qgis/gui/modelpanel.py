"""The panel under the field of a model: what the model is, and whether the images that are chosen fit it."""

from __future__ import annotations

from dataclasses import fields
from functools import wraps
from typing import Any

from qgis.core import QgsProcessingContext, QgsProject
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from ..algorithms.feedback import in_words
from ..algorithms.reading import Reader
from ..algorithms.translate import tr
from ..core.base.progress import Progress
from ..core.errors import OtbtfError, ParameterError
from ..core.models.modelsummary import ModelSummary
from ..core.parameters.parsing import keys
from ..core.parameters.templatenames import Template, template_of
from ..core.probing.imagefit import Fit, GivenImages, fit_of_images, fit_of_patches
from . import modeltext
from .background import Latest
from .failures import report
from .fieldmenu import FieldMenu
from .modelform import ModelForm
from .modelreading import ChosenModel, EngineBusy, ModelReading
from .sourcefields import Source

_AGAIN = 1000
"""Milliseconds between two looks at whether the engine is free."""


def _guarded(method: Any) -> Any:
    """Let a slot never raise: what goes wrong is logged, and the panel leaves the dialog."""

    @wraps(method)
    def called(self: ModelPanel, *arguments: Any) -> None:
        try:
            method(self, *arguments)
        except Exception as error:  # noqa: BLE001 (the dialog works without the panel)
            self.give_up(error)

    return called


class ModelPanel(QFrame):
    """Follows the fields of a dialog.

    Args:
        panel: QGIS's widget with the parameters of the dialog, as `mainWidget()` returns it.
        form: the parameters to follow.
        reading: reads models.
    """

    def __init__(self, panel: Any, form: ModelForm, reading: ModelReading) -> None:
        field = panel.wrappers[form.model].wrappedWidget()
        super().__init__(_place_under(field))
        self._form, self._reading = form, reading
        self._algorithm, self._wrappers = panel.algorithm(), panel.wrappers
        self._context = QgsProcessingContext()
        self._context.setProject(QgsProject.instance())
        self._summary: ModelSummary | None = None
        self._chosen: ChosenModel | None = None
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.model_text, self.images_text = self._label(), self._label()
        layout = QVBoxLayout(self)
        layout.addWidget(self.model_text)
        layout.addWidget(self.images_text)
        self.parentWidget().layout().addWidget(self)
        self._models = Latest(self, tr("Reading a model"), self._model_failed)
        self._images = Latest(self, tr("Looking at images"), self._images_failed)
        self._outputs_menu = self._menu(form.outputs, several=True)
        self._input_menus = {number: self._menu(own.placeholder, False) for number, own in form.sources.items()}
        self._sources = [
            Source(number, own, self._wrappers, self._input_menus[number]) for number, own in form.sources.items()
        ]
        for name in form.asked:
            if name in self._wrappers:
                self._wrappers[name].widgetValueHasChanged.connect(self._changed)
        self._forget()
        self._changed()

    def resizeEvent(self, event):
        """Take the height that the text needs at the new width."""
        super().resizeEvent(event)
        self._take_height()

    def _take_height(self) -> None:
        # By itself a layout does not follow texts that wrap once some of them are hidden.
        if self.width() > 0:
            self.setFixedHeight(self.layout().totalHeightForWidth(self.width()) + 2 * self.frameWidth())

    def give_up(self, error: Exception) -> None:
        """Leave the dialog as QGIS made it, and log why."""
        report(error)
        self._models.drop()
        self._images.drop()
        self.hide()
        for source in self._sources:
            source.forget()

    # ------------------------------------------------------------- the model

    @_guarded
    def _changed(self, *_: Any) -> None:
        chosen = self._choice()
        if chosen != self._chosen:
            self._chosen = chosen
            self._forget()
            self._read(pause=None)
        elif self._summary is not None:
            self._show_summary()

    def _choice(self) -> ChosenModel | None:
        path = self._text(self._form.model).strip()
        if not path:
            return None
        reading = ((key, self._text(parameter)) for key, parameter in self._form.reading.items())
        return ChosenModel(path, tuple((key, text) for key, text in reading if text and text != "False"))

    def _forget(self) -> None:
        self._models.drop()
        self._images.drop()
        self._summary = None
        self.images_text.hide()
        self._offer(())
        for source in self._sources:
            source.forget()
        self.setVisible(self._chosen is not None)

    def _read(self, pause: int | None) -> None:
        chosen = self._chosen
        if chosen is None:
            return
        if pause is None:
            self._say(modeltext.of_state(tr("Reading the model …")))
        later = {} if pause is None else {"pause": pause}

        def read(progress: Progress) -> ModelSummary | Template:
            template = template_of(chosen.path) if self._form.trains else None
            return template or self._reading.read(chosen, progress)

        self._models.ask(read, self._model_read, **later)

    @_guarded
    def _model_read(self, found: ModelSummary | Template) -> None:
        if isinstance(found, Template):
            self._say(modeltext.of_template(found))
            return
        self._summary = found
        self._offer((*found.inputs, *found.outputs) if self._form.trains else found.inputs)
        self._show_summary()

    @_guarded
    def _model_failed(self, error: Exception) -> None:
        if isinstance(error, EngineBusy):
            self._say(modeltext.of_state(tr("The engine is busy; shown after the run.")))
            self._read(pause=_AGAIN)
        elif isinstance(error, OtbtfError):
            self._say(modeltext.of_problem(self._in_words(error.message)))
        else:
            raise error

    def _show_summary(self) -> None:
        assert self._summary is not None  # nosec B101 (tells mypy)
        output = self._summary.output(self._text(self._form.outputs))
        self._say(modeltext.of_model(self._summary, output, self._form.applies))
        if not self._form.trains:
            for source in self._sources:
                source.follow(self._summary, output)
        self._look_at_images(self._summary, output)

    def _in_words(self, message: str) -> str:
        return in_words(message, self._algorithm.OPERATION)

    def _say(self, text: str) -> None:
        self.model_text.setText(text)
        self.show()
        self._take_height()

    # ------------------------------------------------------------ the images

    def _look_at_images(self, summary: ModelSummary, output: str) -> None:
        try:
            sources, later = self._given_images()
        except ParameterError as error:
            self._images.drop()
            self._say_of_images(modeltext.of_problem(self._in_words(error.message)))
            return
        if later and not self._form.trains:
            sources = []  # which input a source feeds depends on all of them
        if not sources:
            self._images.drop()
            self._say_of_images(modeltext.of_sources_of_qgis(later))
            return
        alpha = self._text(self._form.alpha) or "auto"

        def look(progress: Progress) -> Fit:
            if self._form.trains:
                return fit_of_patches(summary, sources, progress)
            return fit_of_images(summary, output, sources, alpha, progress)

        self._say_of_images(modeltext.of_state(tr("Looking at the images …")))
        self._images.ask(look, lambda fit: self._images_seen(fit, later))

    def _given_images(self) -> tuple[list[GivenImages], tuple[int, ...]]:
        """Return the sources that have images, and the numbers of those with images that only QGIS reads.

        Raises:
            ParameterError: what stands for an image cannot be read.
        """
        sources = self._form.sources
        values = {source.images: self._value(source.images) for source in sources.values()}
        known = {key.parameter: key for key in keys(self._algorithm.OPERATION, values)}
        reader = Reader(self._algorithm, known.values(), values, self._context)
        web = {name for name in values if name in known and reader.read_by_qgis(known[name])}
        files = {name: value for name, value in values.items() if name not in web}
        inputs = Reader(self._algorithm, known.values(), files, self._context).inputs()
        given = {name: inputs.get(known[name].name) for name in files if name in known}
        looked_at = [
            GivenImages(number, tuple(given[source.images] or ()), self._text(source.placeholder).strip())
            for number, source in sorted(sources.items())
            if given.get(source.images)
        ]
        return looked_at, tuple(number for number, source in sorted(sources.items()) if source.images in web)

    @_guarded
    def _images_seen(self, fit: Fit, later: tuple[int, ...]) -> None:
        said = {field.name: tuple(map(self._in_words, getattr(fit, field.name))) for field in fields(fit)}
        texts = (modeltext.of_fit(Fit(**said)), modeltext.of_sources_of_qgis(later))
        self._say_of_images("<br>".join(filter(None, texts)))

    @_guarded
    def _images_failed(self, error: Exception) -> None:
        raise error

    def _say_of_images(self, text: str) -> None:
        self.images_text.setText(text)
        self.images_text.setVisible(bool(text))
        self._take_height()

    # ------------------------------------------------------ the other fields

    def _menu(self, name: str, several: bool) -> FieldMenu | None:
        wrapper = self._wrappers.get(name)
        if wrapper is None:
            return None
        fill = lambda text: wrapper.setParameterValue(text, self._context)  # noqa: E731
        return FieldMenu(wrapper.wrappedWidget(), lambda: self._text(name), fill, several)

    def _offer(self, inputs: Any) -> None:
        """Let the menus offer what the model has."""
        outputs = self._summary.outputs if self._summary is not None else ()
        if self._outputs_menu is not None:
            self._outputs_menu.offer([(info.name, modeltext.bands_of(info)) for info in outputs])
        for menu in self._input_menus.values():
            if menu is not None:
                menu.offer([(info.name, modeltext.bands_of(info)) for info in inputs])

    def _value(self, name: str) -> Any:
        wrapper = self._wrappers.get(name)
        return wrapper.parameterValue() if wrapper is not None else None

    def _text(self, name: str) -> str:
        value = self._value(name)
        return value if isinstance(value, str) else str(value) if isinstance(value, bool) else ""

    def _label(self) -> QLabel:
        label = QLabel(self)
        label.setTextFormat(Qt.TextFormat.RichText)
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label


def _place_under(field: QWidget) -> QWidget:
    """Return an empty widget under a field.

    A group that is folded hides its own widgets, and shows all of them when it is unfolded; what is inside of these may be
    shown and hidden at any time.
    """
    surrounding = field.parentWidget()
    place = QWidget(surrounding)
    QVBoxLayout(place).setContentsMargins(0, 0, 0, 0)
    surrounding.layout().insertWidget(surrounding.layout().indexOf(field) + 1, place)
    return place
