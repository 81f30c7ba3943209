"""Quantities, parts, layouts and systems: what every room builds on."""

import time

BEGAN = time.time()  # s since 1970: nothing that this process runs of this package was read long before
