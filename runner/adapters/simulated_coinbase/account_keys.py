"""
Self-made API keys for the simulated account, in the form in which Coinbase hands out its own (coinbase_api 1.5).

They open nothing but a simulated exchange. Kept apart from `access`, as the cryptography library is large and an
unsigned market does not need it.
"""

import base64
import hashlib
import json
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from runner.adapters.simulated_coinbase.access import ApiKey
from runner.adapters.simulated_coinbase.order_rows import PORTFOLIO_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountKey:
    """A key pair: `secret` is for the client (PEM, or base64 for Ed25519), `api_key` for the exchange."""

    name: str
    secret: str
    api_key: ApiKey

    def key_file(self) -> str:
        """Return the file that Coinbase would let the user download."""
        return json.dumps({"name": self.name, "privateKey": self.secret}, indent=2) + "\n"

    def __repr__(self) -> str:
        return f"AccountKey({self.name!r})"


def make_key(
    seed: str = "rehearsal",
    *,
    can_trade: bool = True,
    can_transfer: bool = False,
    portfolio_id: str = PORTFOLIO_ID,
) -> AccountKey:
    """Make a P-256 key (ES256); the same seed makes the same key."""
    number = int.from_bytes(hashlib.sha256(f"p256 {seed}".encode()).digest()) >> 1
    private = ec.derive_private_key(number, ec.SECP256R1())
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    name = _name(seed)
    key = ApiKey(
        name=name,
        verify=_P256(private.public_key()),
        can_trade=can_trade,
        can_transfer=can_transfer,
        portfolio_id=portfolio_id,
    )
    return AccountKey(name=name, secret=secret, api_key=key)


def make_ed25519_key(seed: str = "rehearsal") -> AccountKey:
    """Make an Ed25519 key (EdDSA); its secret is 64 raw bytes in base64."""
    private = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"ed25519 {seed}".encode()).digest())
    raw = private.private_bytes_raw() + private.public_key().public_bytes_raw()
    name = _name(f"ed25519 {seed}")
    key = ApiKey(name=name, verify=_Ed25519(private.public_key()))
    return AccountKey(name=name, secret=base64.b64encode(raw).decode(), api_key=key)


def _name(seed: str) -> str:
    digits = hashlib.sha256(f"name {seed}".encode()).hexdigest()
    return f"organizations/{_uuid_like(digits[:32])}/apiKeys/{_uuid_like(digits[32:])}"


def _uuid_like(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class _P256:
    algorithm = "ES256"

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        self._key = key

    def accepts(self, signature: bytes, message: bytes) -> bool:
        if len(signature) != 64:
            return False
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        try:
            self._key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


class _Ed25519:
    algorithm = "EdDSA"

    def __init__(self, key: ed25519.Ed25519PublicKey) -> None:
        self._key = key

    def accepts(self, signature: bytes, message: bytes) -> bool:
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True
