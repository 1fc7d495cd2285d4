"""The one place that this program talks to."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from core.errors import ConfigError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The only place that this program talks to. `authority` is host, or host:port, as the address has it."""

    is_tls: bool
    host: str
    port: int
    authority: str


def origin_of(api_url: str) -> Origin:
    """
    Read `https://HOST[:PORT]`, or `http://127.0.0.1:PORT` (plain only where nothing leaves the machine).

    Raises:
        ConfigError
    """
    try:
        parts = urlsplit(api_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    else:
        bare = api_url in (f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}://{parts.netloc}/")
        if bare and "@" not in parts.netloc and host and parts.scheme == "https":
            return Origin(is_tls=True, host=host, port=port or 443, authority=parts.netloc)
        if bare and parts.scheme == "http" and host == LOOPBACK and port:
            return Origin(is_tls=False, host=host, port=port, authority=parts.netloc)
    raise ConfigError(
        f"app.yaml: exchange.api_url = {api_url!r} is neither https://HOST nor http://{LOOPBACK}:PORT; "
        "write https://api.coinbase.com, or the address that tools.sim_exchange prints"
    )
