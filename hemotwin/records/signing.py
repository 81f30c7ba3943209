"""Ed25519 keys and signatures (RFC 8032) of the audit log, through `cryptography` (extra `provenance`)."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.extras import required

__all__ = ["PublicKey", "SigningKey", "new_signing_key"]

_LARGEST = 16_384  # bytes of a key file


class SigningKey:
    """A private key from an unencrypted PEM file; it signs, and shows nothing of itself."""

    __slots__ = ("_private",)

    def __init__(self, path: str | Path):
        serialization = _module("primitives.serialization")
        try:
            self._private = serialization.load_pem_private_key(_content(path), password=None)
        except (ValueError, TypeError):
            raise InputError("the signing key file holds no unencrypted PEM key; check the path.") from None
        if not isinstance(self._private, _module("primitives.asymmetric.ed25519").Ed25519PrivateKey):
            raise InputError("the signing key must be Ed25519: make one with `hemotwin audit key FILE`.")

    def sign(self, message: bytes) -> str:
        """The signature in base64."""
        return base64.b64encode(self._private.sign(message)).decode()

    def __repr__(self) -> str:
        return "<signing key>"

    def __reduce__(self):
        raise TypeError("a signing key is not written anywhere: load it again from its file")


class PublicKey:
    """A public key from a PEM file; it tells whether a signature is the private key's."""

    def __init__(self, path: str | Path):
        serialization = _module("primitives.serialization")
        try:
            self._public = serialization.load_pem_public_key(_content(path))
        except ValueError:
            raise InputError(
                f"{Path(path).name}: no PEM public key in it; it stands beside the key as FILE.pub"
            ) from None
        if not isinstance(self._public, _module("primitives.asymmetric.ed25519").Ed25519PublicKey):
            raise InputError(f"{Path(path).name}: the public key must be Ed25519.")

    def confirms(self, signature: Any, message: bytes) -> bool:
        """Whether the signature is of this message by this key; False for anything malformed."""
        try:
            self._public.verify(base64.b64decode(str(signature), validate=True), message)
        except (binascii.Error, ValueError, _module("exceptions").InvalidSignature):
            return False
        return True


def new_signing_key(path: str | Path) -> tuple[Path, Path]:
    """Write a new private key (its owner alone can read it) and its public key at `<path>.pub`; existing ones stay."""
    serialization = _module("primitives.serialization")
    private = _module("primitives.asymmetric.ed25519").Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    secret = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    target, beside = Path(path), Path(f"{path}.pub")
    for file, content, mode in ((target, secret, 0o600), (beside, public, 0o644)):
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            raise InputError(f"{file.name} is already there: what an older key signed needs that key.") from None
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
    return target, beside


def _module(name: str) -> Any:
    package = "cryptography" if name == "exceptions" else "cryptography.hazmat"
    return required(f"{package}.{name}", "provenance", "signing the audit log")


def _content(path: str | Path) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(f"the key file cannot be read ({error.strerror}); check its path and permissions.") from None
    if len(content) > _LARGEST:
        raise InputError(f"a key file must hold at most {_LARGEST} bytes: this is no key; check the path.")
    return content
