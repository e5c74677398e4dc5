"""Business keys are read from arguments, where these say something."""

from types import SimpleNamespace as Args

import pytest

from hub import JobContext, job
from hub.domain.errors import ConfigurationError
from hub.domain.tags import MAX_TAGS, read_templates, retagged, tags_of
from tests.services.shop import Order

TEMPLATES = read_templates(["order:{number}", "customer:{customer}", "ref:{metadata.ref}"])


def test_each_template_gives_its_tag() -> None:
    """From fields, and from what is inside of them; numbers too."""
    args = Args(number=1042, customer="cus_1", metadata={"ref": "r"})
    assert tags_of(TEMPLATES, args) == ("order:1042", "customer:cus_1", "ref:r")


@pytest.mark.parametrize("nothing", [None, "", True, 1.5, ["a"], "x" * 64, "a\nb"])
def test_what_makes_no_tag_is_left_out(nothing: object) -> None:
    """None, what is no word or number, and what is too long or cannot be printed."""
    assert tags_of(TEMPLATES, Args(number=nothing, customer="c", metadata=None)) == ("customer:c",)


def test_given_tags_come_first_and_each_stands_once() -> None:
    """And there are no more of them than a job may have."""
    args = Args(number="1")
    assert tags_of(TEMPLATES, args, ["vip", "order:1"]) == ("vip", "order:1")
    assert len(tags_of(TEMPLATES, args, map(str, range(99)))) == MAX_TAGS


def test_other_arguments_replace_their_tags_alone() -> None:
    """What a job was given stays, in its order, and the bound holds."""
    assert retagged(["vip", "order:1", "eu"], ["order:1", "ref:x"], ["order:2"]) == ("vip", "eu", "order:2")
    assert retagged(["vip", "order:1"], ["order:1"], ["order:1"]) == ("vip", "order:1")
    assert retagged(["order:2"], [], ["order:2"]) == ("order:2",)
    full = [str(number) for number in range(MAX_TAGS)]
    assert retagged(full, ["order:1"], ["order:2"]) == tuple(full)
    assert retagged(["order:1", *full[1:]], ["order:1"], ["order:2"]) == (*full[1:], "order:2")


@pytest.mark.parametrize(
    "template", ["order", "{number}", "a:{b}:c", "a:{}", "a:{0.b!r}", "a:{b:>3}", "a:{b[0]}"]
)
def test_a_template_that_is_none_stops_the_start(template: str) -> None:
    """With the job's name."""
    with pytest.raises(ConfigurationError, match=r"job test_tags\.work"):

        @job(tags=template)
        async def work(ctx: JobContext, args: Order) -> None: ...
