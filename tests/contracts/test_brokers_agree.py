"""
The same orders at the same moments end the same, whoever carries them: at the port, as bytes in this process, as bytes
over a socket. So paper rehearses what would have come to pass through Coinbase's protocol.
"""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import cache

import pytest

from core.model.orders import Liquidity, OrderStatus, OrderType, Side
from tests.contracts.broker_desks import BROKERS
from tests.contracts.broker_scripts import Place, Scene, Story, jumpy_scene, play, script_of, seeded_scene

SCENES = [pytest.param(jumpy_scene, id="jumps"), pytest.param(seeded_scene, id="seeded market")]
SEEDS = (1, 2, 3)


@cache
def story_on_paper(scene_of: Callable[[int], Scene], seed: int) -> Story:
    return play(script_of(seed), scene_of(seed), BROKERS["paper"])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scene_of", SCENES)
@pytest.mark.parametrize("name", [name for name in BROKERS if name != "paper"])
def test_one_script_has_one_story(name: str, scene_of: Callable[[int], Scene], seed: int) -> None:
    on_paper = story_on_paper(scene_of, seed)

    story = play(script_of(seed), scene_of(seed), BROKERS[name])

    for theirs, ours in zip(story.stands, on_paper.stands, strict=True):
        assert theirs == ours
    assert story.ends == on_paper.ends
    assert story.fills == on_paper.fills


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scene_of", SCENES)
def test_the_story_adds_up(scene_of: Callable[[int], Scene], seed: int) -> None:
    """Balances are the opening ones plus what the fills say: agreement alone could be three times the same mistake."""
    scene, story = scene_of(seed), story_on_paper(scene_of, seed)

    expected: dict[str, Decimal] = dict(scene.stage.balances)
    for fill in story.fills:
        sign = 1 if fill.side is Side.BUY else -1
        expected[fill.product_id.base] += sign * fill.size
        expected[fill.product_id.quote] -= sign * fill.size * fill.price + fill.fee
    last = story.stands[-1].balances
    assert {currency: sum(last.get(currency, (Decimal(0),))) for currency in expected} == expected


def test_the_scripts_meet_what_can_happen() -> None:
    stories = [story_on_paper(scene_of, seed) for seed in SEEDS for scene_of in (jumpy_scene, seeded_scene)]

    ends = Counter((found.order_type, found.status) for story in stories for found in story.ends.values() if found)
    for order_type in OrderType:
        assert ends[order_type, OrderStatus.FILLED] >= 3
    assert ends[OrderType.POST_ONLY, OrderStatus.EXPIRED] >= 3
    assert ends[OrderType.IOC, OrderStatus.CANCELLED] >= 3
    assert (
        sum(ends[order_type, OrderStatus.CANCELLED] for order_type in OrderType)
        >= 3 + ends[OrderType.IOC, OrderStatus.CANCELLED]
    )
    reasons = Counter(foretold for foretold, *_ in _answers(stories))
    assert len(reasons) >= 8
    assert reasons[None] > sum(reasons.values()) / 2
    fills = Counter((fill.side, fill.liquidity) for story in stories for fill in story.fills)
    assert min(fills[side, liquidity] for side in Side for liquidity in Liquidity) >= 5


def _answers(stories: list[Story]) -> list[tuple[str | None, ...]]:
    return [stand.said for story in stories for stand in story.stands if isinstance(stand.step, Place)]
