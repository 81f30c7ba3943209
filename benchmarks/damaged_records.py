"""Read damaged inputs by seed, in a process of its own: how each ended, the longest and the most memory, as JSON.

The inputs are those of the test suite (tests/records/damaged.py): every format with bytes replaced, cut off, renamed or
nested, odd cells and types, huge numbers, repeated identities, entity and alias bombs, archives that reach out or grow.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
warnings.simplefilter("ignore")  # libraries remark on damaged headers

import numpy as np  # noqa: E402

import hemotwin as ht  # noqa: E402
from hemotwin.core.errors import InputError  # noqa: E402
from tests.records.damaged import KINDS, RARE, damaged, good_inputs  # noqa: E402

HANG = 20  # s, after which an input counts as hanging


def outcome(path: Path) -> str:
    """ "read", "refused", "unaccounted", "hang", or the name of an error that is not ours."""
    former = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(HANG)
    try:
        counts = ht.read(path).summary()
        fates = sum(counts[fate] for fate in ("used", "derived", "duplicate", "quarantined"))
        return "read" if fates == counts["rows"] else "unaccounted"
    except InputError as error:
        message = str(error)
        return "refused" if message.strip() and message.replace("\n", "").isprintable() else "unprintable message"
    except TimeoutError:
        return "hang"
    except Exception as error:
        return f"traceback {type(error).__name__}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def _too_long(number: int, frame: FrameType | None) -> NoReturn:
    raise TimeoutError


def run(seeds: range) -> dict[str, Any]:
    """All seeds; whatever ended badly is listed with its seed, and what lies outside the folder is looked at."""
    ends, bad, longest, written = Counter[str](), [], 0.0, 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "good").mkdir()
        good = good_inputs(place / "good")
        for seed in seeds:
            shutil.rmtree(place / "one", ignore_errors=True)
            (place / "one").mkdir()
            path = damaged(place / "one", good, np.random.default_rng(seed))
            began = time.perf_counter()
            ended = outcome(path)
            longest = max(longest, time.perf_counter() - began)
            ends[ended] += 1
            if ended not in ("read", "refused"):
                bad.append([seed, ended])
            written += {one.name for one in place.iterdir()} != {"good", "one"}
    kinds = [kind.__name__.strip("_") for kind in KINDS]
    return {"ends": ends, "bad": bad, "longest_s": longest, "peak_GB": peak_gigabytes(), "outside": written,
            "kinds": kinds, "rare": {kind.__name__.strip("_"): share for kind, share in RARE.items()}}  # fmt: skip


def peak_gigabytes() -> float:
    """The most memory that this process held at once (VmHWM; ru_maxrss would count the parent's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1e6 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    print(json.dumps(run(range(int(sys.argv[1]), int(sys.argv[2])))))
