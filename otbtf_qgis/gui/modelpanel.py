"""The panel under the field of a model: what the model is, and whether the images that are chosen fit it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

from qgis.core import QgsProcessingContext, QgsProject
from qgis.PyQt.QtCore import Qt, QTimer, pyqtSignal
from qgis.PyQt.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from ..algorithms.feedback import in_labels
from ..algorithms.reading import Reader
from ..algorithms.translate import tr
from ..core.base.progress import Progress
from ..core.errors import OtbtfError, ParameterError
from ..core.models.modelinterface import TensorInfo
from ..core.models.modelsummary import ModelSummary
from ..core.parameters.parsing import keys
from ..core.parameters.templatedescription import Template
from ..core.parameters.templatenames import template_of
from ..core.probing.imagefit import Fit, GivenImages, fit_of_images, fit_of_patches
from . import modeltext
from .applicable import not_applicable
from .background import Latest, TookTooLong
from .failures import report
from .fieldmenu import FieldMenu
from .modelform import ModelForm, SourceFields
from .modelreading import ChosenModel, EngineBusy, Found, ModelReading
from .rows import Row
from .sourcefields import Source, fed_by_sources, title_of

_AGAIN = 1000
"""Milliseconds between two looks at whether the engine is free."""

_LONGEST_LOOK = 20
"""Seconds within which all images must have been opened: a server or disk that does not answer may take minutes for each."""


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
        usual_sources: number of sources to show while no model says how many it needs.
        reading: reads models.

    Attributes:
        followed: emitted when what the model needs may have changed without a change of a field.
    """

    followed = pyqtSignal()

    def __init__(self, panel: Any, form: ModelForm, usual_sources: int, reading: ModelReading) -> None:
        field = panel.wrappers[form.model].wrappedWidget()
        super().__init__(_place_under(field))
        self._form, self._reading = form, reading
        self._algorithm, self._wrappers = panel.algorithm(), panel.wrappers
        self._context = QgsProcessingContext()
        self._context.setProject(QgsProject.instance())
        self._found: Found | Template | None = None
        self._state = ""
        self._by_bands: dict[int, str] = {}
        self._chosen: ChosenModel | None = None
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.model_text, self.images_text = self._label(), self._label()
        layout = QVBoxLayout(self)
        layout.addWidget(self.model_text)
        layout.addWidget(self.images_text)
        self.parentWidget().layout().addWidget(self)
        self._models = Latest(self, tr("Reading a model"), self._model_failed)
        self._images = Latest(self, tr("Looking at images"), self._images_failed, _LONGEST_LOOK)
        self._outputs_menu = self._menu(form.outputs, several=True)
        self._input_menus = {number: self._menu(own.placeholder, False) for number, own in form.sources.items()}
        self._rows = {name: self._row(name, wrapper) for name, wrapper in self._wrappers.items()}
        self._options = {
            option: (name, method)
            for name, methods in form.options.items()
            for method, options in methods.items()
            for option in options
            if option in self._rows
        }
        self._sources = {number: self._source(own, number <= usual_sources) for number, own in form.sources.items()}
        self._refollow = QTimer(self)
        self._refollow.setSingleShot(True)
        self._refollow.timeout.connect(self._other_changed)
        for name, wrapper in self._wrappers.items():
            wrapper.widgetValueHasChanged.connect(self._changed if name in form.asked else self._wait)
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

    def needed_images(self) -> Sequence[str]:
        """Return the parameters of the images without which the model cannot be applied, as far as it is known."""
        if not isinstance(self._found, Found) or self._form.trains:
            return ()
        feeds = self._feeds(self._found.summary.output(self._text(self._form.outputs))) or {}
        return [source.images for number, source in self._form.sources.items() if number in feeds]

    def give_up(self, error: Exception) -> None:
        """Leave the dialog as QGIS made it, and log why."""
        report(error)
        self._models.drop()
        self._images.drop()
        self._found = None
        self.hide()
        self._release_fields()
        for option in self._options:
            self._rows[option].show(True)
            self._rows[option].apply("", self._context)

    # ------------------------------------------------------------- the model

    @_guarded
    def _changed(self, *_: Any) -> None:
        chosen = self._choice()
        if chosen != self._chosen:
            self._chosen = chosen
            self._forget()
            self._read(pause=None)
        else:
            self._show()
        self._show_options()

    def _wait(self, *_: Any) -> None:
        self._refollow.start(0)  # once for all values that QGIS sets together

    @_guarded
    def _other_changed(self) -> None:
        """Let fields follow the model again: the history sets those too that are hidden or grey."""
        found = self._found
        if isinstance(found, Found):
            self._follow(found, found.summary.output(self._text(self._form.outputs)))
        elif found is not None:
            self._follow(None, "")
        else:
            self._release_fields()
        self._show_options()

    def _choice(self) -> ChosenModel | None:
        path = self._text(self._form.model).strip()
        if not path:
            return None
        reading = ((key, self._text(parameter)) for key, parameter in self._form.reading.items())
        return ChosenModel(path, tuple((key, text) for key, text in reading if text and text != "False"))

    def _forget(self) -> None:
        self._models.drop()
        self._images.drop()
        self._found, self._state, self._by_bands = None, "", {}
        self.images_text.hide()
        self._offer((), ())
        self._release_fields()
        self.setVisible(self._chosen is not None)

    def _read(self, pause: int | None) -> None:
        """Read the model, and then its geometry, which may take longer; `pause` (in ms) where the engine is busy."""
        chosen, probed = self._chosen, isinstance(self._found, Found)
        if chosen is None:
            return
        if pause is None and not probed:
            self._say(modeltext.of_state(tr("Reading the model …")))
        later = {} if pause is None else {"pause": pause}

        def read(progress: Progress) -> Found | Template:
            template = template_of(chosen.path) if self._form.trains else None
            return template or self._reading.read(chosen, probed, progress)

        self._models.ask(read, self._model_read, **later)

    @_guarded
    def _model_read(self, found: Found | Template) -> None:
        self._found, self._state = found, ""
        if isinstance(found, Found):
            summary = found.summary
            self._offer((*summary.inputs, *summary.outputs) if self._form.trains else summary.inputs, summary.outputs)
            if not found.whole:
                self._state = modeltext.of_state(tr("Receptive field and pixel sizes are being determined …"))
                self._read(pause=0)
        self._show()

    @_guarded
    def _model_failed(self, error: Exception) -> None:
        if isinstance(error, EngineBusy):
            self._state = modeltext.of_state(tr("The engine is busy; shown after the run."))
            self._read(pause=_AGAIN)
        elif isinstance(error, OtbtfError):
            self._state = modeltext.of_problem(self._in_labels(error.message))
        else:
            raise error
        if self._found is None:
            self._say(self._state)
        else:
            self._show()

    def _show(self) -> None:
        """Show what is known of the model, and let the other fields follow."""
        found, form = self._found, self._form
        if isinstance(found, Found):
            output = found.summary.output(self._text(form.outputs))
            detector = None if form.trains else found.detector
            told = modeltext.of_model(found.summary, output, form.applies, found.whole, detector, form.detects)
            self._say(told + "<br>".join(filter(None, (self._of_further_sources(output), self._state))))
            self._follow(found, output)
            self._look_at_images(found.summary, output)
        elif found is not None:
            self._say(modeltext.of_template(found))
            self._follow(None, "")
        else:
            self._release_fields()
        self.followed.emit()

    def _of_further_sources(self, output: str) -> str:
        """Return how to give the sources for which the form has no fields; empty where it has one for each, or for none."""
        if not self._form.sources:
            return ""
        last, fields = max(self._feeds(output) or (0,)), max(self._form.sources)
        return modeltext.of_further_sources(fields, last) if last > fields else ""

    def _in_labels(self, message: str) -> str:
        return in_labels(message, self._algorithm.OPERATION)

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
            self._say_of_images(modeltext.of_problem(self._in_labels(error.message)))
            return
        if later and not self._form.trains:
            sources = []  # which input a source feeds depends on all of them
        if not sources:
            self._images.drop()
            self._by_bands = {}
            self._say_of_images(modeltext.of_sources_of_qgis(later))
            return
        alpha = self._text(self._form.alpha) or "auto"
        if self._form.trains:
            feeds = self._feeds(output) or {}
            sources = [replace(source, placeholder=feeds.get(source.number, source.placeholder)) for source in sources]

        def look(progress: Progress) -> Fit:
            if self._form.trains:
                return fit_of_patches(summary, sources, progress)
            return fit_of_images(summary, output, sources, alpha, progress)

        self._say_of_images(modeltext.of_state(tr("Looking at the images …")))
        self._images.ask(look, lambda fit: self._images_seen(fit, later, output))

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
    def _images_seen(self, fit: Fit, later: tuple[int, ...], output: str) -> None:
        texts = (modeltext.of_fit(fit, self._in_labels), modeltext.of_sources_of_qgis(later))
        self._say_of_images("<br>".join(filter(None, texts)))
        self._by_bands = dict(fit.fed)
        self._title_sources(output)

    @_guarded
    def _images_failed(self, error: Exception) -> None:
        if not isinstance(error, TookTooLong):
            raise error
        self._say_of_images(modeltext.of_slow_images(error.seconds))

    def _say_of_images(self, text: str) -> None:
        self.images_text.setText(text)
        self.images_text.setVisible(bool(text))
        self._take_height()

    # ------------------------------------------------------ the other fields

    def _row(self, name: str, wrapper: Any) -> Row:
        menus = {form.placeholder: self._input_menus[number] for number, form in self._form.sources.items()}
        menu = self._outputs_menu if name == self._form.outputs else menus.get(name)
        return Row(self, wrapper, menu.row if menu is not None else None)

    def _source(self, fields: SourceFields, usual: bool) -> Source:
        images = self._wrappers.get(fields.images)
        label = images.wrappedLabel() if images is not None else None
        rows = [self._rows[name] for name in fields.every if name in self._rows]
        name = images.parameterDefinition().description() if images is not None else ""
        return Source(rows, label if isinstance(label, QLabel) else None, name, usual)

    def _follow(self, found: Found | None, output: str) -> None:
        """Let the other fields follow a model; None for a template."""
        assert self._chosen is not None  # nosec B101 (tells mypy)
        reasons = not_applicable(self._form, self._chosen.path, found, output)
        for name, row in self._rows.items():
            if name in self._options:
                continue
            # What decides how the model is read is left as it is: a change would read it again.
            keep = name in self._form.reading.values() and row.is_given
            row.apply("" if keep else reasons.get(name, ""), self._context)
        self._title_sources(output)

    def _title_sources(self, output: str) -> None:
        """Show as many sources as the model has inputs, titled with these."""
        assert self._found is not None  # nosec B101 (tells mypy)
        feeds = self._feeds(output)
        for number, source in self._sources.items():
            if feeds is None:
                source.forget()
            else:
                title = title_of(feeds[number], self._found, output) if number in feeds else ""
                source.follow(number in feeds or number == 1, title)

    def _feeds(self, output: str) -> dict[int, str] | None:
        """Return the name of what each source feeds; see `fed_by_sources`."""
        assert self._found is not None  # nosec B101 (tells mypy)
        names = {number: self._text(source.placeholder).strip() for number, source in self._form.sources.items()}
        names.update({number: name for number, name in self._by_bands.items() if not names.get(number)})
        return fed_by_sources(self._found, output, self._form, names)

    def _release_fields(self) -> None:
        for name, row in self._rows.items():
            if name not in self._options:
                row.apply("", self._context)
        for source in self._sources.values():
            source.forget()

    def _show_options(self) -> None:
        """Show the options of the methods that are chosen; those of others are not given."""
        for option, (name, method) in self._options.items():
            chosen = method == self._text(name)
            self._rows[option].show(chosen)
            self._rows[option].apply("" if chosen else tr("Another method is chosen."), self._context)

    def _menu(self, name: str, several: bool) -> FieldMenu | None:
        wrapper = self._wrappers.get(name)
        if wrapper is None:
            return None
        fill = lambda text: wrapper.setParameterValue(text, self._context)  # noqa: E731
        return FieldMenu(wrapper.wrappedWidget(), lambda: self._text(name), fill, several)

    def _offer(self, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> None:
        """Let the menus offer what the model has."""
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
