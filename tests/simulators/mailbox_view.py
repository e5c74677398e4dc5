"""The mailbox over HTTP: a page for people, JSON for programs, and orders for faults."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape

from aiohttp import web

from tests.simulators.mail import Mail, Mails

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mailbox ({count})</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }}
article {{ border-top: 1px solid #888; padding: 1rem 0; }}
h2 {{ font-size: 1.1rem; margin: 0 0 .25rem; }}
p {{ margin: 0; color: #555; overflow-wrap: anywhere; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .75rem 0 0; }}
</style>
</head>
<body>
<main>
<h1>Mailbox</h1>
<p>{summary}</p>
{mails}
</main>
</body>
</html>
"""
_MAIL = """<article>
<h2>{subject}</h2>
<p>From {sender} to {to}, {received}</p>
<p>{message_id}</p>
<pre>{text}</pre>
</article>"""


class _View:
    def __init__(self, mails: Mails) -> None:
        self._mails = mails

    async def page(self, _: web.Request) -> web.Response:
        kept = self._mails.kept
        text = _PAGE.format(
            count=len(kept),
            summary="1 mail"
            if len(kept) == 1
            else f"{len(kept)} mails, the newest first"
            if kept
            else "No mails yet",
            mails="\n".join(_article(mail) for mail in reversed(kept)),
        )
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def messages(self, request: web.Request) -> web.Response:
        """`?to=` and `?message_id=` narrow the list, oldest first."""
        to, message_id = request.query.get("to"), request.query.get("message_id")
        wanted = [
            mail.document()
            for mail in self._mails.kept
            if to in (None, *mail.to) and message_id in (None, mail.message_id)
        ]
        return web.json_response({"messages": wanted})

    async def delete_messages(self, _: web.Request) -> web.Response:
        self._mails.clear()
        return web.json_response({"messages": []})

    async def counts(self, _: web.Request) -> web.Response:
        return web.json_response(self._mails.counts)

    async def faults(self, _: web.Request) -> web.Response:
        return web.json_response({"faults": [asdict(fault) for fault in self._mails.faults]})

    async def order_fault(self, request: web.Request) -> web.Response:
        try:
            fault = self._mails.order(json.loads(await request.read()))
        except (ValueError, AttributeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(asdict(fault), status=201)

    async def clear_faults(self, _: web.Request) -> web.Response:
        self._mails.faults.clear()
        return web.json_response({"faults": []})

    async def reset(self, _: web.Request) -> web.Response:
        self._mails.reset()
        return web.json_response({"reset": True})


def application(mails: Mails) -> web.Application:
    """The view of one mailbox."""
    view, app = _View(mails), web.Application()
    app.router.add_routes(
        [
            web.get("/", view.page),
            web.get("/messages", view.messages),
            web.delete("/messages", view.delete_messages),
            web.get("/_control/counts", view.counts),
            web.get("/_control/faults", view.faults),
            web.post("/_control/faults", view.order_fault),
            web.delete("/_control/faults", view.clear_faults),
            web.post("/_control/reset", view.reset),
        ]
    )
    return app


def _article(mail: Mail) -> str:
    received = datetime.fromtimestamp(mail.received_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return _MAIL.format(
        subject=escape(mail.subject) or "(no subject)",
        sender=escape(mail.sender),
        to=escape(", ".join(mail.to)),
        received=received,
        message_id=escape(mail.message_id),
        text=escape(mail.text or mail.html),
    )
