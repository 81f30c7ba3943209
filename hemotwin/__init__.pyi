from .calibration.fit import calibrate as calibrate
from .calibration.twin import load as load
from .cli.doctor import doctor as doctor
from .physiology.catalog import catalog as catalog
from .physiology.model import circulation as circulation
from .physiology.scenario import scenario as scenario
from .prediction.predict import predict as predict
from .prediction.simulate import simulate as simulate
from .records.read import read as read
from .reports.account import account as account
from .reports.readiness_page import readiness as readiness
from .reports.report import report as report

__version__: str

__all__ = [
    "__version__",
    "account",
    "calibrate",
    "catalog",
    "circulation",
    "doctor",
    "load",
    "predict",
    "read",
    "readiness",
    "report",
    "scenario",
    "simulate",
]
