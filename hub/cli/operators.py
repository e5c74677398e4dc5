"""`hub operators`: the people who may use the console."""

import sys

import click

from hub.domain.access import Role
from hub.infra.store.operators import StoredOperator
from hub.services.operators import LoginLink

from .commands import Group
from .desk import Desk, at_desk
from .options import as_json as json_option
from .options import reason as reason_option
from .output import moment, print_json, print_line, print_note, print_table

_email = click.argument("email", metavar="EMAIL")
_role = click.Choice([role.value for role in Role])


@click.group(cls=Group)
def operators() -> None:
    """The people who may use the console."""


@operators.command()
@click.argument("email", metavar="EMAIL")
@click.option("--name", help="How they are called.  [default: what stands before the @]")
@click.option("--role", type=_role, required=True, help="What they may do.")
@json_option
def create(*, email: str, name: str | None, role: str, as_json: bool) -> None:
    """Make an operator, and print a link that lets them in once, within three days.

    Only the link goes to standard output. Whoever has it is that operator: send it over a channel that only they read.
    """

    async def work(desk: Desk) -> tuple[StoredOperator, LoginLink, str]:
        called = name or email.partition("@")[0]
        made = await desk.operators.create(email, called, role, actor=desk.actor)
        link = await desk.operators.login_link(made.id, actor=desk.actor, invitation=True)
        return made, link, desk.address

    made, link, base = at_desk(work)
    if as_json:
        print_json({"operator": made, "link": _shown(link, base)})
        return
    print_note(f"{made.email} is {_a(made.role)}. To be opened once, until {moment(link.expires_at)}:")
    print_line(base + link.path)


@operators.command("login-link")
@_email
@json_option
def login_link(*, email: str, as_json: bool) -> None:
    """Print a link that lets an operator in once, within a quarter of an hour.

    It also opens an account that wrong passwords have closed, and lets them set a new password.
    """

    async def work(desk: Desk) -> tuple[LoginLink, str]:
        found = await desk.operators.find(email)
        return await desk.operators.login_link(found.id, actor=desk.actor), desk.address

    link, base = at_desk(work)
    if as_json:
        print_json(_shown(link, base))
        return
    print_note(f"To be opened once, until {moment(link.expires_at)}:")
    print_line(base + link.path)


@operators.command("list")
@json_option
def list_operators(*, as_json: bool) -> None:
    """Every operator."""
    known = at_desk(lambda desk: desk.operators.list())
    if as_json:
        print_json({"items": known})
        return
    print_table(
        ("EMAIL", "NAME", "ROLE", "STATE", "LOGS IN BY", "LAST LOGIN"),
        [(one.email, one.name, one.role.value, _state(one), _ways(one), one.last_login_at) for one in known],
        empty="There are no operators yet: hub operators create EMAIL --role admin",
    )


@operators.command()
@_email
@click.argument("role", type=_role)
@reason_option
@json_option
def role(*, email: str, role: str, reason: str | None, as_json: bool) -> None:
    """Give an operator another role; it holds from their next request on."""

    async def work(desk: Desk) -> StoredOperator:
        found = await desk.operators.find(email)
        return await desk.operators.set_role(found.id, role, actor=desk.actor, reason=reason)

    changed = at_desk(work)
    if as_json:
        print_json(changed)
    else:
        print_line(f"{changed.email} is {_a(changed.role)}.")


@operators.command()
@_email
@reason_option
@json_option
def disable(*, email: str, reason: str | None, as_json: bool) -> None:
    """Shut an operator out: their sessions end at once."""

    async def work(desk: Desk) -> StoredOperator:
        found = await desk.operators.find(email)
        return await desk.operators.disable(found.id, actor=desk.actor, reason=reason)

    changed = at_desk(work)
    if as_json:
        print_json(changed)
    else:
        print_line(f"{changed.email} is shut out. `hub operators enable {changed.email}` lets them in again.")


@operators.command()
@_email
@reason_option
@json_option
def enable(*, email: str, reason: str | None, as_json: bool) -> None:
    """Let an operator in again who was shut out."""

    async def work(desk: Desk) -> StoredOperator:
        found = await desk.operators.find(email)
        return await desk.operators.enable(found.id, actor=desk.actor, reason=reason)

    changed = at_desk(work)
    if as_json:
        print_json(changed)
    else:
        print_line(f"{changed.email} may log in again.")


@operators.command()
@_email
@reason_option
@json_option
def reset(*, email: str, reason: str | None, as_json: bool) -> None:
    """Take an operator's password and sessions away, as when a computer is lost; a link lets them in again."""

    async def work(desk: Desk) -> StoredOperator:
        found = await desk.operators.find(email)
        return await desk.operators.reset(found.id, actor=desk.actor, reason=reason)

    changed = at_desk(work)
    if as_json:
        print_json(changed)
    else:
        print_line(
            f"{changed.email} has neither password nor session: hub operators login-link {changed.email}"
        )


@operators.command()
@_email
@click.option(
    "--stdin", "from_stdin", is_flag=True, help="Read it from standard input instead of asking for it."
)
@json_option
def password(*, email: str, from_stdin: bool, as_json: bool) -> None:
    """Set an operator's password; it is asked for. All their sessions end."""
    text = sys.stdin.readline().rstrip("\r\n") if from_stdin else _asked()

    async def work(desk: Desk) -> StoredOperator:
        found = await desk.operators.find(email)
        await desk.operators.set_password(found, text, actor=desk.actor)
        return await desk.operators.get(found.id)

    changed = at_desk(work)
    if as_json:
        print_json(changed)
    else:
        print_line(f"{changed.email} has a new password.")


def _asked() -> str:
    text: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return text


def _shown(link: LoginLink, base: str) -> dict[str, object]:
    return {"operator": link.operator, "url": base + link.path, "expires_at": link.expires_at}


def _a(role: Role) -> str:
    return f"a {role.value}" if role is Role.VIEWER else f"an {role.value}"


def _state(operator: StoredOperator) -> str:
    if operator.disabled_at is not None:
        return "disabled"
    return "locked" if operator.locked_until is not None else "active"


def _ways(operator: StoredOperator) -> str:
    ways = [
        way for way, has in (("password", operator.has_password), ("provider", operator.has_identity)) if has
    ]
    return ", ".join(ways) or "link"
