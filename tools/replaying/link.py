"""One step of the chain between a product and an order, as it is printed."""

from dataclasses import dataclass

OK, SHUT, SAID = "✅", "⛔", "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One step of the chain. `is_open` None: nothing was asked here."""

    step: str
    is_open: bool | None
    words: str

    def text(self) -> str:
        mark = SAID if self.is_open is None else OK if self.is_open else SHUT
        return f"{mark} {self.step:<10} {self.words}"
