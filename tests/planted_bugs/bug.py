"""What a planted bug is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """
    One edit of one file that breaks a promise, and the checks of which one must notice.

    `breaks`: the law (L1 to L17 of the design) or control (C1 to C25 of reliability.md) that it breaks. `old` stands
    exactly once in `file`. `caught_by`: what the run before a merge does with it, in the order in which it is asked: a
    test file or test of pytest, or a command `python -m ...` that ends with 1 when something is wrong.
    """

    name: str
    breaks: str
    file: str
    old: str
    new: str
    caught_by: tuple[str, ...]

    def planted_in(self, text: str) -> str:
        """
        Return a file's text with the bug in it.

        Raises:
            ValueError: The text to replace is not there exactly once: the program has moved on and the bug has to.
        """
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"{self.name}: its old text stands {found} times in {self.file}, it must be once")
        return text.replace(self.old, self.new)
