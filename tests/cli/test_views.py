"""`hub views`."""

from hub.cli.errors import Exit
from tests.cli.conftest import Cli


def test_a_search_is_kept_listed_and_forgotten(cli: Cli) -> None:
    """For everybody; under one name there is one."""
    assert "hub views save" in cli("views").out
    made = cli("views", "save", "lost charges", "state:failed provider:stripe", "--json").json
    assert (made["name"], made["shared"], made["page"]) == ("lost charges", True, "jobs")
    assert cli("views", "save", "hooks", "source:stripe", "--page", "events").code == Exit.OK
    assert cli("views", "save", "lost charges", "state:failed").code == Exit.REFUSED
    listed = cli("views", "list", "--json").json["items"]
    assert [(view["page"], view["name"]) for view in listed] == [
        ("jobs", "lost charges"),
        ("events", "hooks"),
    ]
    assert "state:failed provider:stripe" in cli("views", "list").out
    assert "is forgotten" in cli("views", "delete", "lost charges").out
    again = cli("views", "delete", "lost charges")
    assert (again.code, "no view 'lost charges'" in again.err) == (Exit.REFUSED, True)
    assert "hub views list" in again.err
    assert [view["name"] for view in cli("views", "--json").json["items"]] == ["hooks"]


def test_a_search_that_cannot_be_is_refused(cli: Cli) -> None:
    """Before anybody relies on it."""
    assert cli("views", "save", "wrong", "state:nowhere").code == Exit.REFUSED
    assert cli("views", "--json").json == {"items": []}
