"""The command line: one file per verb, each loading what it needs only when it runs."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from .. import __version__

__all__ = ["main"]

DONE, FAILED, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

# Verb, file, one line for --help.
VERBS = (
    ("twin", "twin", "read a record, calibrate, predict two what-ifs and write the page: everything"),
    ("check", "check", "read a record and show what becomes of every row"),
    ("readiness", "readiness", "say what a record or export is good for: level, twins, questions, gaps, worklist"),
    ("map", "map", "propose the mapping of a table's columns, for review; applies nothing"),
    ("calibrate", "calibrate", "calibrate a record and save the twins"),
    ("show", "show", "print the tables of saved twins, on a terminal a line each where they are many"),
    ("predict", "predict", "ask saved twins a what-if"),
    ("report", "report", "write the page of saved twins"),
    ("account", "account", "count usable twins, why others are not, seconds and, at your own costs, money"),
    ("mock", "mock", "write a synthetic record with the structure and gaps of a real one"),
    ("deidentify", "deidentify", "write a record without names, dates moved, k-anonymity checked"),
    ("export", "export", "write saved twins as FHIR, CSV, Parquet or RO-Crate, if their policy permits"),
    ("lineage", "lineage", "list the rows of the record that saved twins were made of"),
    ("audit", "audit", "verify an audit log line by line"),
    ("doctor", "doctor", "say what this machine computes on and what is wrong, each problem with its fix"),
    ("bench", "bench", "measure the speed of this machine and print a table to paste"),
    ("catalog", "catalog", "list circulations, parts, observables and scenarios"),
)

EPILOG = """\
RECORD is a CSV table, a FHIR R4 bundle or a folder of them; TWIN what an earlier run saved.
Exit code: 0 done, 1 nobody has a usable twin (twin, calibrate: usable as account counts it), no what-if could be
solved (predict) or the log does not hold (audit), 2 bad input (doctor: nothing can be computed), 130 interrupted.
Not for clinical use."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code: 0 done, 1 nothing usable came of it, 2 bad input, 130 interrupted.

    `arguments` are those of the process when None. Errors that hemotwin raises on purpose are printed as one message.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, verbs, usages = _parser(given)
    options, unknown = parser.parse_known_args(given)
    if unknown:
        usages.get(options.verb, parser).error(f"unrecognized arguments: {' '.join(unknown)}")
    if options.verb is None:
        parser.print_help()
        return DONE
    _readable_streams()
    former = _stop_on_terminate()
    try:
        code = _guarded(verbs[options.verb].run, options)
    except SystemExit as ended:
        if ended.code != TERMINATED or arguments is not None:
            raise
        code = TERMINATED
    finally:
        if former is not None:
            signal.signal(signal.SIGTERM, former)
    if arguments is None and code in (INTERRUPTED, TERMINATED):
        _leave(code)
    return code


def _parser(given: Sequence[str]) -> tuple[argparse.ArgumentParser, dict, dict[str, argparse.ArgumentParser]]:
    """The parser, the files of the verbs that are asked for, and the parsers of all: other files are not even read."""
    parser = argparse.ArgumentParser(
        prog="hemotwin", description="From a patient's record to a calibrated twin of the circulation.",
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"hemotwin {__version__}")
    room = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    loaded = {}
    for verb, file, line in VERBS:
        options = room.add_parser(verb, help=line, description=f"{line[:1].upper()}{line[1:]}.", epilog=EPILOG,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
        if verb in given:
            loaded[verb] = importlib.import_module(f".{file}", __name__)
            loaded[verb].add_arguments(options)
    return parser, loaded, room.choices


def _guarded(run, options: argparse.Namespace) -> int:
    from ..core.errors import HemotwinError

    try:
        code = run(options)
        sys.stdout.flush()
        return code
    except HemotwinError as error:
        return _say(f"hemotwin {options.verb}: {error}", BAD_INPUT)
    except KeyboardInterrupt:
        return _say(f"hemotwin {options.verb}: interrupted; nothing half-written is left.", INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        if error.filename is None:
            raise
        return _say(f"hemotwin {options.verb}: {error.filename}: {error.strerror}. Check the path and its permissions.",
                    BAD_INPUT)  # fmt: skip


def _say(message: str, code: int) -> int:
    print(message, file=sys.stderr, flush=True)
    return code


def _readable_streams() -> None:
    """A terminal without Unicode shows a question mark rather than a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _stop_on_terminate():
    """A polite kill unwinds as an exception does, so that drafts are removed; None outside the main thread."""
    try:
        return signal.signal(signal.SIGTERM, _terminated)
    except ValueError:
        return None


def _leave(code: int) -> NoReturn:
    """End this process at once: one that is cut short may have programs of XLA under way, around which an interpreter
    that ends as usual crashes."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(TERMINATED)
