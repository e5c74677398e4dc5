"""`hub webhooks`: signed samples, as a provider would send them."""

import http.client
import json
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import uuid4

import click

from hub.config import Config
from hub.config.environment import variable
from hub.domain.sources import Delivery, Source

from .commands import Group
from .errors import Exit, Failure
from .options import as_json as json_option
from .output import print_json, print_line, print_table
from .session import Settings, read_settings

_PATIENCE = 30.0  # seconds for an answer


@click.group(cls=Group)
def webhooks() -> None:
    """Signed samples, as a provider would send them."""


@webhooks.command("list")
@json_option
def list_sources(*, as_json: bool) -> None:
    """The sources there are, the samples they have, and whether they are configured."""
    settings = read_settings()
    sources = [
        {
            "source": source.name,
            "samples": sorted(source.samples),
            "configured": bool(settings.config.secrets_of(source.name)),
        }
        for source in settings.registry.sources.values()
    ]
    if as_json:
        print_json({"items": sources})
        return
    print_table(
        ("SOURCE", "CONFIGURED", "SAMPLES"),
        [(one["source"], "yes" if one["configured"] else "no", one["samples"]) for one in sources],
        empty="There are no sources.",
    )


@webhooks.command()
@click.argument("source_name", metavar="SOURCE")
@click.argument("event_type", metavar="EVENT")
@click.option("--url", help="Where the hub runs.  [default: http://HUB_HOST:HUB_PORT]")
@click.option(
    "--id", "event_id", metavar="TEXT", help="Send twice with one id to see a duplicate.  [default: new]"
)
@json_option
def send(*, source_name: str, event_type: str, url: str | None, event_id: str | None, as_json: bool) -> None:
    """Send a signed sample to a running hub and show its answer; `hub webhooks list` has the samples."""
    settings = read_settings()
    source = _source(settings, source_name)
    sample = source.sample(event_type, id=event_id or uuid4().hex, at=datetime.now(UTC))
    delivery = source.deliver(sample, _secret(settings.config, source))
    base = (url or settings.config.web.address).rstrip("/")
    status, answer = _post(f"{base}/webhooks/{source.name}", delivery)
    if as_json:
        print_json({"id": sample.id, "status": status, "answer": _decoded(answer)})
    else:
        print_line(f"{status} {http.client.responses.get(status, '')}".rstrip())
        print_line(answer)
    if not 200 <= status < 300:
        raise Failure(f"the hub at {base} did not accept the {source.name} event", _hint(status, source))


def _source(settings: Settings, name: str) -> Source:
    source = settings.registry.sources.get(name)
    if source is None:
        raise Failure(f"there is no source {name!r}", f"There are {', '.join(settings.registry.sources)}.")
    return source


def _secret(config: Config, source: Source) -> str:
    secrets = config.secrets_of(source.name)
    if not secrets:
        name = variable("webhook", source.name, "secret")
        hint = "Set it, here and for the hub that is to receive this, to one value."
        raise Failure(f"{name} is not set, so nothing can be signed", hint, code=Exit.CONFIGURATION)
    return secrets[-1]  # while rotating, the newest


def _post(url: str, delivery: Delivery) -> tuple[int, str]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.BadParameter(f"{url!r} is not http://host:port", param_hint="--url")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=_PATIENCE)
    try:
        connection.request("POST", parts.path, delivery.body, dict(delivery.headers))
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        message = f"no answer from {parts.scheme}://{parts.netloc}: {str(error) or type(error).__name__}"
        hint = "Is the hub running there? `hub dev` starts one; --url names another."
        raise Failure(message, hint, code=Exit.UNAVAILABLE) from error
    finally:
        connection.close()


def _decoded(answer: str) -> object:
    try:
        return json.loads(answer)
    except ValueError:
        return answer


def _hint(status: int, source: Source) -> str | None:
    if status == 401:
        return f"Has the hub that runs there the same {variable('webhook', source.name, 'secret')}?"
    return None
