"""
The products of the simulated market: a small, plausible exchange with the awkward cases built in.

Base assets are those of the shipped universe, so its tiers, exclusions and floors have work to do. Among the products
are markets closed by each of the venue's flags, two wide ones, thin ones with minutes without a trade, twins of one
base in USD, USDC and USDT, a stablecoin, and assets of no tier. Prices and turnover are round numbers of a plausible
size, not data.
"""

from enum import Enum
from typing import NamedTuple


class Size(Enum):
    """How big a coin is: it sets volatility, spread and depth of the simulated product."""

    BENCHMARK = "benchmark"
    LARGE = "large"
    MEDIUM = "medium"
    SMALL = "small"
    STABLE = "stable"


class Entry(NamedTuple):
    """
    One line of the roster.

    `price` is where the walk begins; a price has `price_decimals` and a size `size_decimals` places;
    `turnover` is the usual 24-hour volume in quote currency, in millions; `flag` a flag of Product that is set.
    `is_wide` multiplies the spread; `quiet_share` is the share of minutes without a trade.
    """

    pair: str
    size: Size
    price: float
    price_decimals: int
    size_decimals: int
    turnover: float
    flag: str = ""
    is_wide: bool = False
    quiet_share: float = 0.0


ROSTER: tuple[Entry, ...] = (
    Entry("BTC-USD", Size.BENCHMARK, 92000, 2, 8, 800),
    Entry("ETH-USD", Size.LARGE, 3300, 2, 8, 450),
    Entry("SOL-USD", Size.LARGE, 185, 2, 8, 220),
    Entry("XRP-USD", Size.LARGE, 2.3, 4, 6, 190),
    Entry("BNB-USD", Size.LARGE, 690, 2, 8, 35),
    Entry("BTC-USDC", Size.BENCHMARK, 92000, 2, 8, 120),
    Entry("DOGE-USD", Size.MEDIUM, 0.32, 5, 1, 95),
    Entry("ADA-USD", Size.MEDIUM, 0.88, 4, 8, 60),
    Entry("AVAX-USD", Size.MEDIUM, 36.5, 2, 8, 32),
    Entry("LINK-USD", Size.MEDIUM, 21.4, 3, 2, 48),
    Entry("DOT-USD", Size.MEDIUM, 6.9, 3, 8, 14),
    Entry("LTC-USD", Size.MEDIUM, 104, 2, 8, 30),
    Entry("USDT-USD", Size.STABLE, 1.0, 4, 2, 150),
    Entry("EOS-USD", Size.SMALL, 0.8, 4, 1, 2.2, flag="trading_disabled"),
    Entry("RAY-USD", Size.SMALL, 4.9, 3, 3, 6),
    Entry("SHIB-USD", Size.SMALL, 0.0000215, 8, 0, 24),
    Entry("PEPE-USD", Size.SMALL, 0.0000178, 9, 0, 38),
    Entry("KSM-USD", Size.SMALL, 31.0, 2, 4, 1.1, is_wide=True),
    Entry("FLOW-USD", Size.SMALL, 0.72, 3, 3, 0.42, quiet_share=0.45),
    Entry("ARB-USD", Size.SMALL, 0.74, 4, 2, 15),
    Entry("ETH-USDC", Size.LARGE, 3300, 2, 8, 60),
    Entry("SOL-USDT", Size.LARGE, 185, 2, 8, 9),
    Entry("BCH-USD", Size.MEDIUM, 435, 2, 8, 11),
    Entry("UNI-USD", Size.MEDIUM, 13.2, 3, 6, 18),
    Entry("ATOM-USD", Size.MEDIUM, 6.5, 3, 2, 8),
    Entry("XLM-USD", Size.MEDIUM, 0.34, 6, 8, 42),
    Entry("HBAR-USD", Size.MEDIUM, 0.29, 5, 1, 40),
    Entry("ALGO-USD", Size.MEDIUM, 0.34, 4, 0, 9),
    Entry("NEAR-USD", Size.MEDIUM, 5.1, 3, 3, 12),
    Entry("AAVE-USD", Size.MEDIUM, 305, 2, 3, 22),
    Entry("SUI-USD", Size.MEDIUM, 4.2, 4, 1, 70),
    Entry("MATIC-USD", Size.SMALL, 0.46, 4, 1, 1.6, flag="cancel_only"),
    Entry("RNDR-USD", Size.SMALL, 7.1, 3, 2, 2.4, flag="view_only"),
    Entry("MKR-USD", Size.SMALL, 1520, 2, 6, 3.1, flag="is_disabled"),
    Entry("XTZ-USD", Size.SMALL, 1.28, 3, 2, 1.9, flag="post_only"),
    Entry("ETC-USD", Size.SMALL, 25.5, 2, 8, 5, flag="limit_only"),
    Entry("PENGU-USD", Size.SMALL, 0.031, 6, 0, 9),
    Entry("ENJ-USD", Size.SMALL, 0.21, 4, 2, 0.9, is_wide=True),
    Entry("AXS-USD", Size.SMALL, 6.2, 3, 4, 0.75, quiet_share=0.3),
    Entry("OP-USD", Size.SMALL, 1.83, 3, 2, 9),
    Entry("CRV-USD", Size.SMALL, 0.92, 4, 2, 11),
    Entry("COMP-USD", Size.SMALL, 77, 2, 3, 3.5),
    Entry("GRT-USD", Size.SMALL, 0.205, 4, 2, 4),
    Entry("FIL-USD", Size.SMALL, 5.0, 3, 3, 6),
    Entry("ICP-USD", Size.SMALL, 10.1, 3, 4, 5.5),
    Entry("APT-USD", Size.SMALL, 8.8, 3, 2, 7),
    Entry("INJ-USD", Size.SMALL, 20.3, 2, 2, 6),
    Entry("TIA-USD", Size.SMALL, 4.7, 3, 1, 6.5),
    Entry("SEI-USD", Size.SMALL, 0.41, 4, 1, 5),
    Entry("FET-USD", Size.SMALL, 1.27, 3, 1, 12),
    Entry("IMX-USD", Size.SMALL, 1.31, 3, 2, 2.6),
    Entry("SAND-USD", Size.SMALL, 0.56, 4, 2, 4.2),
    Entry("CHZ-USD", Size.SMALL, 0.083, 5, 1, 2.1),
    Entry("ZEC-USD", Size.SMALL, 56, 2, 8, 4.8),
    Entry("LDO-USD", Size.SMALL, 1.82, 3, 2, 5),
    Entry("STX-USD", Size.SMALL, 1.51, 3, 2, 3.2),
    Entry("BONK-USD", Size.SMALL, 0.0000292, 8, 0, 20),
    Entry("WIF-USD", Size.SMALL, 1.86, 3, 2, 16),
    Entry("JUP-USD", Size.SMALL, 0.84, 4, 1, 5.5),
    Entry("ENA-USD", Size.SMALL, 0.93, 4, 1, 10),
    Entry("SUSHI-USD", Size.SMALL, 1.36, 4, 2, 1.4),
    Entry("SNX-USD", Size.SMALL, 1.98, 3, 3, 1.2),
    Entry("MANA-USD", Size.SMALL, 0.47, 4, 1, 2),
    Entry("QNT-USD", Size.SMALL, 106, 2, 3, 2.2),
    Entry("TRX-USD", Size.SMALL, 0.25, 5, 1, 3.5),
    Entry("VET-USD", Size.SMALL, 0.046, 6, 0, 4),
)
