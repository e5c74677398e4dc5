"""One's own account: password and sessions."""

from uuid import UUID

from aiohttp import web

from hub.domain.errors import Invalid, NotFound
from hub.domain.operators import SHORTEST_PASSWORD, weaknesses
from hub.services.logins import THEN_WAIT, Session
from hub.web.console import guard
from hub.web.console.page import Page, Visit

_HOME = "/console/account"


async def show(visit: Visit) -> web.StreamResponse:
    """Who one is to the hub, and where one is logged in."""
    return await _page(visit)


async def set_password(visit: Visit) -> web.StreamResponse:
    """Set one's own password. It takes the old one, except just after a one-time link."""
    session = _session(visit)
    new = visit.form.get("password", "")
    if problem := await _problem(visit, session, new):
        return await _page(visit, status=422, error=problem)
    operator = await visit.hub.operators.get(session.operator)
    try:
        await visit.hub.operators.set_password(operator, new, actor=session.email, kept=session.id)
    except Invalid as refused:
        return await _page(visit, status=422, error=str(refused))
    return visit.redirect(_HOME, "password-set")


async def revoke(visit: Visit) -> web.StreamResponse:
    """End one of one's own sessions."""
    session = _session(visit)
    try:
        which = UUID(visit.request.match_info["id"])
    except ValueError:
        raise NotFound("there is no such session") from None
    if which == session.id:
        await visit.hub.logins.log_out(session)
        answer = visit.redirect("/console/login", "logged-out")
        guard.let_out(visit.hub.config.web, visit.request, answer)
        return answer
    await visit.hub.logins.revoke(session.operator, which, actor=session.email)
    return visit.redirect(f"{_HOME}#sessions", "session-ended")


async def _problem(visit: Visit, session: Session, new: str) -> str | None:
    if new != visit.form.get("again", ""):
        return "The two new passwords are not the same."
    if weak := weaknesses(new, email=session.email):
        return f"The new password {weak[0].message}."
    if not session.fresh and not await visit.hub.logins.is_own_password(
        session, visit.form.get("current", "")
    ):
        return f"The present password is wrong, or {THEN_WAIT}."
    return None


async def _page(visit: Visit, *, status: int = 200, error: str | None = None) -> web.Response:
    session = visit.visitor.session if visit.visitor else None
    return visit.render(
        "account.html",
        status=status,
        session=session,
        email=visit.principal.acts_as,
        sessions=await visit.hub.logins.sessions(visit.principal.key),
        shortest=SHORTEST_PASSWORD,
        error=error,
    )


def _session(visit: Visit) -> Session:
    if visit.visitor is None or visit.visitor.session is None:
        raise NotFound("there is no session")
    return visit.visitor.session


PAGES = (
    Page("GET", _HOME, show, None),
    Page("POST", "/console/account/password", set_password, None),
    Page("POST", "/console/account/sessions/{id}/revoke", revoke, None),
)
