"""What a user reads names what the program has."""

from core.config_checks.all_checks import ALL_CHECKS
from runner.adapters.configuration.schemas import SHAPE_CODES
from tests.architecture.source import ROOT


def test_the_readme_lists_every_check_of_the_configuration() -> None:
    text = (ROOT / "README.md").read_text("utf-8")

    codes = [*SHAPE_CODES.values(), *(check.code for check in ALL_CHECKS), "UNREADABLE"]
    assert [code for code in codes if f"`{code}`" not in text] == []
