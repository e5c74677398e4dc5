"""`hub keys`."""

from uuid import UUID, uuid4

from hub.cli.errors import Exit
from hub.domain.access import Scope
from tests.cli.conftest import Cli
from tests.cli.content import in_hub, sql

CREATE = ("keys", "create", "--name", "shop", "--scopes", "jobs:write,jobs:read")


def test_a_new_key_is_all_that_goes_to_standard_output(cli: Cli, environ: dict[str, str]) -> None:
    """So that a script can take it; the rest is said on standard error. The key lets its holder in."""
    ended = cli(*CREATE)
    assert ended.code == Exit.OK
    assert "shown only now" in ended.err
    principal = in_hub(environ, lambda hub: hub.keys.authenticate(ended.out.removesuffix("\n")))
    assert principal is not None
    assert principal.application_name == "shop"
    assert principal.scopes == {Scope.JOBS_WRITE, Scope.JOBS_READ}


def test_for_machines_there_are_the_id_and_the_key(cli: Cli, environ: dict[str, str]) -> None:
    """These two and no more; the application may be another than the name."""
    made = cli(*CREATE, "--application", "web shop", "--json").json
    assert set(made) == {"id", "key"}
    principal = in_hub(environ, lambda hub: hub.keys.authenticate(made["key"]))
    assert principal is not None
    assert (str(principal.key), principal.application_name) == (made["id"], "web shop")


def test_the_audit_log_names_the_person(cli: Cli, database_url: str) -> None:
    """As `cli:` and the name of the account."""
    cli(*CREATE)
    assert sql(database_url, "SELECT actor FROM audit_log WHERE action = 'key.create'").startswith("cli:")


def test_an_unknown_scope_is_refused_with_those_there_are(cli: Cli) -> None:
    """Before anything is asked of the database."""
    ended = cli("keys", "create", "--name", "n", "--scopes", "jobs:write,jobs:eat")
    assert ended.code == Exit.USAGE
    assert "'jobs:eat' is no scope; there are jobs:write, " in ended.err


def test_a_name_that_cannot_be_one_is_refused(cli: Cli) -> None:
    """With the reason."""
    ended = cli("keys", "create", "--name", "", "--scopes", "admin")
    assert ended.code == Exit.REFUSED
    assert "1 to 100 printable characters" in ended.err


def test_keys_are_listed_without_their_secrets(cli: Cli) -> None:
    """With what became of them."""
    assert "no keys yet" in cli("keys", "list").out
    made = cli(*CREATE, "--json").json
    listed = cli("keys", "list").out
    assert made["id"] in listed
    assert "active" in listed
    assert made["key"].rpartition("_")[2] not in listed + cli("keys", "list", "--json").out


def test_a_revoked_key_is_refused_from_then_on(cli: Cli, environ: dict[str, str]) -> None:
    """Revoking it again changes nothing and is no error."""
    made = cli(*CREATE, "--json").json
    assert cli("keys", "revoke", made["id"]).code == Exit.OK
    assert cli("keys", "revoke", made["id"], "--json").json == {"id": made["id"], "revoked": True}
    assert in_hub(environ, lambda hub: hub.keys.authenticate(made["key"])) is None
    assert "revoked" in cli("keys", "list").out


def test_a_key_that_is_not_there_cannot_be_revoked(cli: Cli) -> None:
    """1, and the message names it."""
    unknown: UUID = uuid4()
    ended = cli("keys", "revoke", str(unknown))
    assert ended.code == Exit.REFUSED
    assert f"there is no key {unknown}" in ended.err
