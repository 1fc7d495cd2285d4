"""
The API key: where it comes from, whether it is kept safely, whether it can sign.

A key that others can read, or that cannot sign, refuses the start. No message quotes any of it.
"""

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from core.errors import StartRefused
from runner.adapters.coinbase.strict_json import StrictJsonError, parse

FILE_BYTES_MAX = 64 * 1024
KEY_VARIABLE = "COINBASE_API_KEY"
SECRET_VARIABLE = "COINBASE_API_SECRET"  # noqa: S105 (a name)


class Secret:
    """A text that shows itself only when asked to."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret()"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret is not written down")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Name and private key of one API key."""

    key_name: str = field(repr=False)
    secret: Secret = field(repr=False)

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a key is not written down")

    def to_hide(self) -> tuple[str, ...]:
        """Return what no text may contain."""
        return self.secret.reveal(), self.key_name


def load_credentials(key_file: str, environ: Mapping[str, str]) -> Credentials | None:
    """
    Return the key from its file, or from the environment when there is no file; None when there is neither.

    Raises:
        StartRefused: A key is there, but unsafe or unusable; the message says what is wrong and how to mend it.
    """
    if key_file:
        name, secret = _from_file(key_file)
        source = f"key file {key_file}"
    elif KEY_VARIABLE in environ or SECRET_VARIABLE in environ:
        name, secret = environ.get(KEY_VARIABLE, "").strip(), environ.get(SECRET_VARIABLE, "").strip()
        source = f"{KEY_VARIABLE}, {SECRET_VARIABLE}"
        if not name or not secret:
            raise StartRefused(f"{source}: one of them is missing or blank; set both, or unset both")
    else:
        return None
    secret = secret.replace("\\r", "").replace("\\n", "\n").strip()  # as in files of environment variables
    problem = _problem_of(name, secret)
    if problem:
        raise StartRefused(
            f"{source}: {problem}; make a new key (ECDSA or Ed25519) on the Coinbase Developer Platform "
            "and use it exactly as it was given"
        )
    return Credentials(key_name=name, secret=Secret(secret))


def _from_file(path: str) -> tuple[str, str]:
    try:
        body = parse(_read_safely(path))
    except StrictJsonError as error:
        raise StartRefused(f"key file {path}: {error}; download the key's JSON file again") from None
    except OSError as error:
        if _is_ed25519(path):
            raise StartRefused(
                "exchange.key_file holds a key itself; put Coinbase's JSON file into a file of yours (chmod 600), and "
                "the path of that file there"
            ) from None
        raise StartRefused(
            f"key file {path}: {error.strerror}; set exchange.key_file to a plain file of yours (not a link)"
        ) from None
    if not isinstance(body, dict):
        raise StartRefused(f"key file {path}: not a JSON object; download the key's JSON file again")
    name, secret = body.get("name") or body.get("id"), body.get("privateKey")
    if not (isinstance(name, str) and isinstance(secret, str) and name.strip() and secret.strip()):
        raise StartRefused(f'key file {path}: needs "name" and "privateKey"; download the key\'s JSON file again')
    return name.strip(), secret


def _read_safely(path: str) -> bytes:
    """
    Read a file that is ours alone. What is checked is what is read: the open file, not its name.

    Raises:
        OSError
        StartRefused
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise StartRefused(f"key file {path}: not a regular file; put the key's JSON file there")
        if facts.st_uid != os.geteuid():
            raise StartRefused(f"key file {path}: belongs to another user; run: chown $(id -un) {path}")
        if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            mode = stat.S_IMODE(facts.st_mode)
            raise StartRefused(f"key file {path}: others have access (mode {mode:04o}); run: chmod 600 {path}")
        if facts.st_size > FILE_BYTES_MAX:
            raise StartRefused(f"key file {path}: larger than {FILE_BYTES_MAX} bytes; download it again")
        return os.read(descriptor, FILE_BYTES_MAX)
    finally:
        os.close(descriptor)


def _problem_of(name: str, secret: str) -> str:
    """Sign once, as the SDK would; return what is wrong, "" when it works."""
    if not (name.isascii() and name.isprintable()):
        return "the key's name has characters that no name has"
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - for those who have a key
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        if secret.startswith("-----BEGIN"):
            key = load_pem_private_key(secret.encode("utf-8"), password=None)
        else:
            key = ed25519.Ed25519PrivateKey.from_private_bytes(_raw_ed25519(secret))
        if isinstance(key, ed25519.Ed25519PrivateKey):
            key.sign(b"")
        elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            key.sign(b"", ec.ECDSA(hashes.SHA256()))
        else:
            return "the private key is of a kind that Coinbase does not take"
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "the private key cannot be read"
    return ""


def _is_ed25519(text: str) -> bool:
    try:
        return bool(_raw_ed25519(text))
    except ValueError:
        return False


def _raw_ed25519(secret: str) -> bytes:
    try:
        raw = base64.b64decode("".join(secret.split()), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
    if len(raw) not in (32, 64):
        raise ValueError("not the length of a key")
    return raw[:32]
