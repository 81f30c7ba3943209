"""A secret from the environment or a file: it can key a digest, and never shows itself in text, logs or pickles."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from ..core.errors import InputError

__all__ = ["KEY_VARIABLE", "Secret", "load_secret", "new_secret"]

KEY_VARIABLE = "HEMOTWIN_KEY_FILE"
SHORTEST = 32  # bytes: the output size of SHA-256, below which RFC 2104 section 3 discourages a key
LONGEST = 4096


class Secret:
    """Key material that answers only keyed digests (HMAC-SHA256, RFC 2104); its text is always "<secret>"."""

    __slots__ = ("_material",)

    def __init__(self, material: bytes, where: str = "the key"):
        if len(material) < SHORTEST:
            raise InputError(
                f"{where} must hold at least {SHORTEST} bytes, but holds {len(material)}; make one with "
                "`hemotwin deidentify --new-key FILE`."
            )
        self._material = bytes(material)

    def digest(self, purpose: str, *parts: str) -> bytes:
        """32 bytes that depend on the key, the purpose and every part; parts cannot run into each other."""
        message = b"".join(len(word).to_bytes(8, "big") + word for word in (p.encode() for p in (purpose, *parts)))
        return hmac.new(self._material, message, hashlib.sha256).digest()

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce__(self):
        raise TypeError("a secret is not written anywhere: load it again from its file or the environment")


def load_secret(path: str | Path | None = None, variable: str = KEY_VARIABLE) -> Secret:
    """The secret in a file: `path`, or the file that an environment variable names (default HEMOTWIN_KEY_FILE).

    Blanks and line ends around it do not count. Raises `InputError` when neither is given, the file cannot be read, or
    it holds fewer than 32 bytes; the message never holds any of its content.
    """
    given = path if path is not None else os.environ.get(variable)
    if not given:
        raise InputError(
            f"a key file is needed: give --key-file FILE or set {variable}; `hemotwin deidentify --new-key FILE` makes "
            "one. Keep it apart from the records: who has it can link the pseudonyms again."
        )
    try:
        with Path(given).open("rb") as file:
            material = file.read(LONGEST + 1).strip()
    except OSError as error:
        raise InputError(f"the key file cannot be read ({error.strerror}); check its path and permissions.") from None
    if len(material) > LONGEST:
        raise InputError(f"the key file must hold at most {LONGEST} bytes: this is no key; check the path.")
    return Secret(material, "the key file")


def new_secret(path: str | Path) -> Path:
    """Write 32 random bytes in hexadecimal to a new file that only its owner can read; an existing file is refused."""
    target = Path(path)
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError(f"{target.name} is already there: a key that is replaced unlinks every pseudonym.") from None
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(SHORTEST) + "\n")
    return target
