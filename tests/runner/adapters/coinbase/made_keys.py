"""API keys made for a test: real ones, that open nothing."""

import base64

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from runner.adapters.coinbase.credentials import Credentials, Secret

KEY_NAME = "organizations/0f1e2d3c-0000-4000-8000-123456789abc/apiKeys/9a8b7c6d-0000-4000-8000-abcdefabcdef"


def ec_pem(curve: ec.EllipticCurve | None = None, form: PrivateFormat = PrivateFormat.TraditionalOpenSSL) -> str:
    key = ec.generate_private_key(curve or ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def rsa_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def ed25519_pem() -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def ed25519_base64(*, with_public_half: bool) -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.b64encode(raw + public if with_public_half else raw).decode()


def make_credentials(secret: str | None = None) -> Credentials:
    return Credentials(key_name=KEY_NAME, secret=Secret(secret or ec_pem()))
