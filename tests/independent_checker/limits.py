"""The limits of a configuration directory, read without the program: percent points become fractions here."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

PAR = Decimal(100)


@dataclass(frozen=True, slots=True)
class Limits:
    """What policy.yaml, signals.yaml, universe.yaml and app.yaml demand; money in quote currency, times in seconds."""

    risk: dict[str, Any]
    regime: dict[str, Any]
    execution: dict[str, Any]
    themes: dict[str, list[str]]
    hold_minutes: dict[str, int]
    interval_seconds: int

    def amount(self, key: str) -> Decimal:
        return Decimal(str(self.risk[key]))

    def fraction(self, key: str) -> Decimal:
        return self.amount(key) / PAR

    def seconds(self, key: str) -> int:
        number = int(self.risk[key])
        return number * 60 if key.endswith("_minutes") else number

    def fee(self, liquidity: str) -> Decimal:
        return Decimal(str(self.execution[f"{liquidity.lower()}_fee_bps"])) / 10_000

    def positions_max(self, regime: str | None) -> int:
        """Return the smaller of the two caps on positions; the common one alone when the line tells no regime."""
        if regime is None:
            return int(self.risk["max_open_positions"])
        own = self.regime.get(regime, {"max_open_positions": 0})["max_open_positions"]
        return min(int(self.risk["max_open_positions"]), int(own))

    def theme_caps(self, product: str) -> list[tuple[str, list[str], Decimal]]:
        """Return name, assets and cap (a fraction of equity) of every capped theme that a product belongs to."""
        base = product.partition("-")[0]
        return [
            (theme, self.themes[theme], Decimal(str(cap)) / PAR)
            for theme, cap in self.risk["max_per_theme_pct"].items()
            if base in self.themes[theme]
        ]


def read_limits(config_dir: Path) -> Limits:
    files = {name: yaml.safe_load((config_dir / f"{name}.yaml").read_text("utf-8")) for name in _FILES}
    policy = files["policy"]
    return Limits(
        risk=policy["risk"],
        regime=policy["regime"],
        execution=policy["execution"],
        themes=files["universe"]["themes"],
        hold_minutes={name: item["max_hold_minutes"] for name, item in files["signals"]["strategies"].items()},
        interval_seconds=files["app"]["loop"]["interval_seconds"],
    )


_FILES = ("policy", "signals", "universe", "app")
