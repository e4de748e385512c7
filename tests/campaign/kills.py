"""Interrupting runs at random moments, and looking at what is left."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from findings import Fault, Findings
from outputs import digest, is_complete
from runs import KINDS, Kind, Run

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
LONGEST = 120.0
"""Seconds after which a run counts as hung."""
PATIENCE = 15.0
"""Seconds in which the engine notices that qgis_process is gone."""
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)


@dataclass
class Reference:
    """What a run does when nobody disturbs it.

    Attributes:
        out: its outputs.
        names: their names.
        start: seconds until it begins to write.
        work: seconds from there to its end.
    """

    out: Path
    names: list[str] = field(default_factory=list)
    start: float = 0.0
    work: float = 0.0


class Kills:
    """A campaign of interrupted runs.

    Args:
        folder: for all that is written.
        made: paths of the inputs.
        environment: variables for qgis_process.
        findings: where faults are counted.
        seed: of the choices; the moments also hang on how busy the machine is.
    """

    def __init__(
        self, folder: Path, made: Mapping[str, Any], environment: Mapping[str, str], findings: Findings, seed: int
    ) -> None:
        self._folder, self._made, self._environment = folder, made, environment
        self._findings, self._seed = findings, seed
        self._references = {kind.name: self._undisturbed(kind) for kind in KINDS}

    def kill(self, number: int) -> None:
        """Interrupt the run of that number; if it ends before, interrupt another one of its kind."""
        choices = random.Random(f"{self._seed}/{number}")
        kind = choices.choice(KINDS)
        targets = ("qgis_process", "engine", "both") if kind.engine else ("qgis_process",)
        target, number_of_signal = choices.choice(targets), choices.choice(SIGNALS)
        older = choices.random() < 0.6
        while not self._attempt(number, kind, target, number_of_signal, older, choices):
            pass

    def _undisturbed(self, kind: Kind) -> Reference:
        run = Run(kind, self._folder / f"reference {kind.name}".replace(" ", "_"))
        begun = time.monotonic()
        run.start(self._made, self._environment)
        reference = Reference(run.out)
        while run.process.poll() is None:
            if not reference.start and run.is_writing():
                reference.start = time.monotonic() - begun
            time.sleep(0.005)
        reference.work = time.monotonic() - begun - reference.start
        reference.names = sorted(item.name for item in run.out.iterdir())
        if run.process.returncode or not reference.names or run.left_over(reference.names):
            raise RuntimeError(f"{kind.name} does not even work undisturbed: {run.left_over([])} {run.log}")
        return reference

    def _attempt(
        self, number: int, kind: Kind, target: str, which: signal.Signals, older: bool, choices: random.Random
    ) -> bool:
        """Start a run and send it a signal; return False if it was over already."""
        reference = self._references[kind.name]
        run = Run(kind, self._folder / f"kill-{number}")
        case = f"{number}: {which.name} to {target} of {kind.name}{', over older outputs' if older else ''}"
        before = self._older(run, reference) if older else {}
        run.start(self._made, self._environment)
        hit = self._strike(run, reference, target, which, choices)
        if not self._ended(run):
            self._findings.add(Fault.HUNG, case, f"{[p.cmdline()[:3] for p in run.processes()]} {run.log}")
            for process in run.processes():
                process.kill()
            run.process.wait()
        if hit:
            self._findings.ran(f"{which.name} to {target} of {kind.name}")
        everyone = target == "both" or not kind.engine
        self._judge(run, reference, case, before, dead=hit and which == signal.SIGKILL and everyone)
        shutil.rmtree(run.folder)
        return hit

    def _older(self, run: Run, reference: Reference) -> dict[str, str]:
        """Put outputs of an older run in place: those of the reference, marked where that leaves them whole."""
        run.out.mkdir(parents=True)
        for name in reference.names:
            source, copy = reference.out / name, run.out / name
            if source.is_dir():
                shutil.copytree(source, copy)
                (copy / "older").touch()
            else:
                copy.write_bytes(source.read_bytes() + b"older")
        return {name: digest(run.out / name) for name in reference.names}

    def _strike(
        self, run: Run, reference: Reference, target: str, which: signal.Signals, choices: random.Random
    ) -> bool:
        """Wait for the moment, and send the signal; return whether everyone it was meant for was alive."""
        if choices.random() < 0.25:
            _pause(run, choices.uniform(0, reference.start))
        else:
            while run.process.poll() is None and not run.is_writing():
                time.sleep(0.005)
            _pause(run, choices.uniform(0, 1.1 * reference.work))
        aims = [psutil.Process(run.process.pid)] if target != "engine" and run.process.poll() is None else []
        engines = run.engines()
        if target != "qgis_process":
            aims += engines
        if not aims or run.process.poll() is not None:
            return False, False
        for aim in aims:
            try:
                aim.send_signal(which)
            except psutil.NoSuchProcess:
                return False, False
        return True, not engines

    def _ended(self, run: Run) -> bool:
        end = time.monotonic() + LONGEST
        while run.process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        end = time.monotonic() + PATIENCE
        while run.processes() and time.monotonic() < end:
            time.sleep(0.1)
        return run.process.poll() is not None and not run.processes()

    def _judge(self, run: Run, reference: Reference, case: str, before: Mapping[str, str], dead: bool) -> None:
        """Count what is wrong with what a run has left."""
        status = run.process.returncode
        if (-status in CRASHES or status == 128 + signal.SIGABRT) and not _fell_at_start(run):
            self._findings.add(Fault.CRASHED, case, f"status {status} {run.log}")
        states = {name: _state(run.out / name, reference.out / name, before.get(name)) for name in reference.names}
        for name, state in states.items():
            if state == "broken":
                self._findings.add(Fault.HALF_WRITTEN, case, name)
            if state == "missing" and before:
                self._findings.add(Fault.LOST, case, name)
            if status == 0 and state != "new":
                self._findings.add(Fault.WRONG, case, f"status 0, but {name} is {state}")
        for name in reference.names:  # a file and its companions are of one run
            of_one = {states[other] for other in reference.names if other == name or other.startswith(f"{name}.")}
            if len(of_one) > 1 and "broken" not in of_one:
                self._findings.add(Fault.HALF_WRITTEN, case, f"{name} with its companions: {sorted(of_one)}")
        left = run.left_over(reference.names)
        unwanted = sorted(set(left) - set(run.kind.kept))
        if unwanted:
            self._findings.add(Fault.LEFT_BY_THE_DEAD if dead else Fault.LEFT_OVER, case, str(unwanted))
        if left:
            self._run_again(run, reference, case)

    def _run_again(self, run: Run, reference: Reference, case: str) -> None:
        again = Run(run.kind, run.folder)
        again.start(self._made, self._environment)
        again.process.wait(LONGEST)
        left = again.left_over(reference.names)
        if left or again.process.returncode:
            self._findings.add(Fault.LEFT_FOR_GOOD, case, f"{left} {again.log if again.process.returncode else ''}")


def _state(path: Path, like: Path, before: str | None) -> str:
    """Return whether an output is missing, older, new, or broken."""
    if not path.exists():
        return "missing"
    if before is not None and digest(path) == before:
        return "older"
    return "new" if is_complete(path, like) else "broken"


def _fell_at_start(run: Run) -> bool:
    """Return whether QGIS fell because Ctrl-C came while it imported Python modules, its own or a plugin's.

    Nothing runs yet, and QGIS does not take that Python raises KeyboardInterrupt then.
    """
    importing = any(sign in run.log for sign in ("Python path:<br>", "qgis/utils.py", "PyQt5/uic/"))
    return "KeyboardInterrupt" in run.log and importing


def _pause(run: Run, seconds: float) -> None:
    end = time.monotonic() + seconds
    while run.process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
