"""The type checker that the import hook in conftest.py applies: beartype, taking an int where a float is meant."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
