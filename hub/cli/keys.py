"""`hub keys`: API keys of applications."""

from typing import Any
from uuid import UUID

import click

from hub.domain.access import Scope
from hub.infra.store.keys import StoredKey

from .commands import Group
from .desk import at_desk
from .options import as_json as json_option
from .output import print_json, print_line, print_note, print_table


class _Scopes(click.ParamType[tuple[Scope, ...]]):
    name = "SCOPE,SCOPE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Scope, ...]:
        words = dict.fromkeys(word.strip() for word in value.split(","))
        known = [scope.value for scope in Scope]
        for word in words:
            if word not in known:
                self.fail(f"{word!r} is no scope; there are {', '.join(known)}", param, ctx)
        return tuple(Scope(word) for word in words)


@click.group(cls=Group)
def keys() -> None:
    """API keys of applications."""


@keys.command()
@click.option("--name", required=True, help="What the key is for.")
@click.option("--scopes", required=True, type=_Scopes(), help=f"What it allows: {', '.join(Scope)}.")
@click.option("--application", help="Whose key it is; jobs belong to applications.  [default: the name]")
@json_option
def create(*, name: str, scopes: tuple[Scope, ...], application: str | None, as_json: bool) -> None:
    """Make a key and print it, this once.

    Only the key goes to standard output: KEY=$(hub keys create --name shop --scopes jobs:write,jobs:read)
    """
    made = at_desk(lambda desk: desk.keys.create(application or name, scopes, actor=desk.actor, name=name))
    if as_json:
        print_json({"id": made.id, "key": made.token})
        return
    print_note(f"Key {made.id} of {made.application} ({', '.join(made.scopes)}). It is shown only now:")
    print_line(made.token)


@keys.command("list")
@json_option
def list_keys(*, as_json: bool) -> None:
    """Every key, without its secret."""
    known = at_desk(lambda desk: desk.keys.list())
    if as_json:
        print_json({"items": known})
        return
    print_table(
        ("ID", "APPLICATION", "NAME", "STATE", "CREATED", "SCOPES"),
        [(key.id, key.application, key.name, _state(key), key.created_at, key.scopes) for key in known],
        empty="There are no keys yet: hub keys create --name NAME --scopes jobs:write,jobs:read",
    )


@keys.command()
@click.argument("key", metavar="ID", type=click.UUID)
@json_option
def revoke(*, key: UUID, as_json: bool) -> None:
    """Refuse a key from now on."""
    at_desk(lambda desk: desk.keys.revoke(key, actor=desk.actor))
    if as_json:
        print_json({"id": key, "revoked": True})
        return
    print_line(f"Key {key} is revoked: it is refused from now on.")


def _state(key: StoredKey) -> str:
    return "active" if key.revoked_at is None else "revoked"
