"""OTBTF for QGIS: deep learning on remote sensing images, with TensorFlow beside QGIS.

Importing this package needs neither QGIS nor TensorFlow.
"""

from __future__ import annotations

__version__ = "0.1.0"  # the same as in metadata.txt; a test compares them


def classFactory(iface):
    """Return the plugin; QGIS calls this when it loads it."""
    if iface is None:
        _let_ctrl_c_end_qgis_process()
    from .plugin import OtbtfPlugin

    return OtbtfPlugin(iface)


def _let_ctrl_c_end_qgis_process() -> None:
    """Have Ctrl-C end qgis_process, as it ends other programs; a run of ours removes its unfinished files first.

    Python would raise KeyboardInterrupt instead: in the middle of what QGIS asks of a plugin, which makes QGIS abort with a
    core dump.
    """
    import signal
    import threading

    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
