"""Operators, for administrators: who there is, who comes, who goes."""

from aiohttp import web

from hub.domain.access import PERMISSIONS, Role, Scope
from hub.domain.errors import Conflict, Invalid
from hub.infra.store.operators import StoredOperator
from hub.services.audit import AuditFilter
from hub.services.operate import actor_of
from hub.web.addresses import public_url
from hub.web.console.page import Page, Visit
from hub.web.reading import id_in

_HOME = "/console/people"


async def show(visit: Visit) -> web.StreamResponse:
    """Every operator, and a form for one more."""
    return await _list(visit)


async def create(visit: Visit) -> web.StreamResponse:
    """Make an operator, and show the link that lets them in."""
    email, name = visit.field("email") or "", visit.field("name") or ""
    try:
        made = await visit.hub.operators.create(
            email, name, visit.form.get("role", ""), actor=actor_of(visit.principal)
        )
    except (Invalid, Conflict) as refused:
        told = "; ".join(f"{problem.pointer[1:]} {problem.message}" for problem in refused.problems)
        return await _list(visit, status=422, error=told or str(refused))
    return await _link(visit, made)


async def show_one(visit: Visit) -> web.StreamResponse:
    """One operator, with what they did last."""
    return await _one(visit, await visit.hub.operators.get(id_in(visit.request, "operator")))


async def set_role(visit: Visit) -> web.StreamResponse:
    """Give another role."""
    operator = id_in(visit.request, "operator")
    try:
        await visit.hub.operators.set_role(
            operator,
            visit.form.get("role", ""),
            actor=actor_of(visit.principal),
            reason=visit.field("reason"),
        )
    except Conflict as refused:
        return await _one(visit, await visit.hub.operators.get(operator), status=409, error=str(refused))
    return visit.redirect(f"{_HOME}/{operator}", "role-set")


async def disable(visit: Visit) -> web.StreamResponse:
    """Shut somebody out."""
    operator = id_in(visit.request, "operator")
    try:
        await visit.hub.operators.disable(
            operator, actor=actor_of(visit.principal), reason=visit.field("reason")
        )
    except Conflict as refused:
        return await _one(visit, await visit.hub.operators.get(operator), status=409, error=str(refused))
    return visit.redirect(f"{_HOME}/{operator}", "operator-disabled")


async def enable(visit: Visit) -> web.StreamResponse:
    """Let somebody in again."""
    operator = id_in(visit.request, "operator")
    await visit.hub.operators.enable(operator, actor=actor_of(visit.principal), reason=visit.field("reason"))
    return visit.redirect(f"{_HOME}/{operator}", "operator-enabled")


async def reset(visit: Visit) -> web.StreamResponse:
    """Take somebody's password and sessions away."""
    operator = id_in(visit.request, "operator")
    await visit.hub.operators.reset(operator, actor=actor_of(visit.principal), reason=visit.field("reason"))
    return visit.redirect(f"{_HOME}/{operator}", "operator-reset")


async def make_link(visit: Visit) -> web.StreamResponse:
    """Make a one-time link, and show it, this once."""
    return await _link(visit, await visit.hub.operators.get(id_in(visit.request, "operator")))


async def _list(visit: Visit, *, status: int = 200, error: str | None = None) -> web.Response:
    return visit.render(
        "people.html",
        status=status,
        people=await visit.hub.operators.list(),
        roles=list(Role),
        permissions=PERMISSIONS,
        scopes=list(Scope),
        error=error,
        given={name: visit.form.get(name, "") for name in ("email", "name", "role")},
    )


async def _one(
    visit: Visit, one: StoredOperator, *, status: int = 200, error: str | None = None
) -> web.Response:
    done = await visit.hub.audit.list(AuditFilter(actor=one.email), limit=20)
    changed = await visit.hub.audit.list(AuditFilter(subject=str(one.id)), limit=20)
    return visit.render(
        "person.html",
        status=status,
        one=one,
        roles=list(Role),
        done=done.items,
        changed=changed.items,
        error=error,
    )


async def _link(visit: Visit, one: StoredOperator) -> web.Response:
    link = await visit.hub.operators.login_link(one.id, actor=actor_of(visit.principal), invitation=True)
    base = public_url(visit.hub.config.web, visit.request)
    # Not behind a redirect: the link is known only now.
    return visit.render("person_link.html", one=one, url=base + link.path, expires_at=link.expires_at)


PAGES = (
    Page("GET", _HOME, show, Scope.ADMIN, "people"),
    Page("POST", _HOME, create, Scope.ADMIN, "people"),
    Page("GET", f"{_HOME}/{{id}}", show_one, Scope.ADMIN, "people"),
    Page("POST", f"{_HOME}/{{id}}/role", set_role, Scope.ADMIN, "people"),
    Page("POST", f"{_HOME}/{{id}}/disable", disable, Scope.ADMIN, "people"),
    Page("POST", f"{_HOME}/{{id}}/enable", enable, Scope.ADMIN, "people"),
    Page("POST", f"{_HOME}/{{id}}/reset", reset, Scope.ADMIN, "people"),
    Page("POST", f"{_HOME}/{{id}}/link", make_link, Scope.ADMIN, "people"),
)
