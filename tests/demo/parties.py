"""Who takes part, as the demonstration speaks to them: the hub, the payment provider, the mailbox."""

import json
from collections.abc import Sequence
from typing import Any

import httpx

from tests.demo.narrator import NotHeld
from tests.demo.stage import SECRET, STRIPE_KEY, Stage, as_typed

Json = dict[str, Any]
_PATIENCE = 30.0  # seconds for a job to settle
# Without which nothing can be shown.
PROVIDERS = ("stripe", "email")
QUEUES = ("payments", "email")


def _client(url: str, token: str | None = None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=url, headers=headers, timeout=_PATIENCE, trust_env=False)


def _document(answer: httpx.Response, *statuses: int) -> Any:
    if answer.status_code not in (statuses or (200, 201)):
        what = f"{answer.request.method} {answer.request.url.path}"
        raise NotHeld(f"{what} was answered {answer.status_code}: {answer.text[:500]}")
    return answer.json()


class Hub:
    """The hub, as an application with a key sees it."""

    def __init__(self, stage: Stage) -> None:
        self.webhook_url = f"{stage.hub_url}/webhooks/stripe"
        self.key = stage.key()
        self._http = _client(stage.hub_url, self.key)
        self._command = f"{as_typed({'HUB_VAR_DIR': stage.environ['HUB_VAR_DIR']})} .venv/bin/"

    def submit(self, key: str, job: str, args: Json, tags: list[str]) -> httpx.Response:
        """POST /v1/jobs with an Idempotency-Key; the answer, whatever it is."""
        return self._http.post(
            "/v1/jobs", json={"job": job, "args": args, "tags": tags}, headers={"Idempotency-Key": key}
        )

    def settled(self, job: str) -> Json:
        """The job, once it is done or failed for good."""
        found: Json = {}
        for _ in range(3):
            found = _document(self._http.get(f"/v1/jobs/{job}", params={"wait": 10}))
            if found["settled_at"]:
                return found
        raise NotHeld(
            f"job {job} is still {found['state']}: {found['next']['text']} (last error: {found['error']})"
        )

    def job(self, job: str) -> Json:
        """The job as it is now."""
        found: Json = _document(self._http.get(f"/v1/jobs/{job}"))
        return found

    def retry(self, job: str, reason: str) -> Json:
        """POST /v1/jobs/{id}/retry."""
        found: Json = _document(self._http.post(f"/v1/jobs/{job}/retry", json={"reason": reason}))
        return found

    def tagged(self, tag: str, **more: str) -> list[Json]:
        """The jobs with a tag."""
        found: list[Json] = _document(self._http.get("/v1/jobs", params={"tag": tag, **more}))["items"]
        return found

    def jobs_of_event(self, event: str) -> list[str]:
        """The jobs that an event started."""
        jobs: list[str] = _document(self._http.get(f"/v1/events/{event}"))["jobs"]
        return jobs

    def require_free_hands(self) -> None:
        """Raises NotHeld where a person, in an earlier run, has left something that would keep this one from being shown."""
        held = held_back(self._listed("/v1/providers"), self._listed("/v1/queues"))
        if held:
            told = [f"{what}: {self._command}{command}" for what, command in held.items()]
            raise NotHeld("\n".join([*told, "say so, and begin again"]))

    def _listed(self, path: str) -> list[Json]:
        found: list[Json] = _document(self._http.get(path))["items"]
        return found

    def cancel_left_over(self, tag: str) -> int:
        """Cancel what an earlier run was stopped in the middle of; gives how many jobs."""
        left = self.tagged(tag, state="retrying") + self.tagged(tag, state="queued")
        # One that a worker takes meanwhile is refused, and settles by itself.
        return sum(self._http.post(f"/v1/jobs/{job['id']}/cancel").status_code == 200 for job in left)


def held_back(providers: Sequence[Json], queues: Sequence[Json]) -> dict[str, str]:
    """Of the answers of the API: what people hold that the demonstration needs, and the command that ends it."""
    held = {
        f"{one['forced']['by']} holds the breaker of {one['name']} open ({one['forced']['reason']})": (
            f"hub providers auto {one['name']}"
        )
        for one in providers
        if one["name"] in PROVIDERS and one["forced"] and one["forced"]["state"] == "open"
    }
    paused = [one["name"] for one in queues if one["name"] in QUEUES and one["paused"]]
    return held | {f"the queue {name} is paused": f"hub queues resume {name}" for name in paused}


class Stripe:
    """The stand-in for the payment provider: its API, and the control address that Stripe does not have."""

    def __init__(self, stage: Stage) -> None:
        self._http = _client(stage.stripe_url, STRIPE_KEY)

    def pay(self, amount: int, email: str | None = None) -> str:
        """A payment made elsewhere, as at a till; gives its id."""
        form = {"amount": str(amount), "currency": "eur", "payment_method": "pm_card_visa", "confirm": "true"}
        form |= {"receipt_email": email} if email else {}
        return str(_document(self._http.post("/v1/payment_intents", data=form))["id"])

    def customer(self, email: str) -> str:
        """A customer with a card; gives the id."""
        form = {"email": email, "payment_method": "pm_card_visa"}
        return str(_document(self._http.post("/v1/customers", data=form))["id"])

    def set_card(self, customer: str, *, declines: bool) -> None:
        """Break a customer's card, or mend it."""
        _document(self._http.post("/_control/cards", json={"customer": customer, "declines": declines}))

    def fail(self, path: str, status: int, times: int) -> None:
        """Answer so many requests with an error instead of executing them."""
        fault = {"match": {"method": "POST", "path": path}, "times": times, "fault": {"status": status}}
        _document(self._http.post("/_control/faults", json=fault))

    def send_event(self, url: str, kind: str, subject: str, event: str) -> Json:
        """Deliver an event, signed by Stripe's own library, and give the answer."""
        order = {"url": url, "secret": SECRET, "type": kind, "object": subject, "id": event}
        (delivery,) = _document(self._http.post("/_control/webhooks", json=order))["deliveries"]
        if delivery["status"] != 200:
            raise NotHeld(f"the event was answered {delivery['status']}: {delivery['answer']}")
        answer: Json = json.loads(delivery["answer"])
        return answer

    def effects(self, kind: str, job: Json) -> int:
        """How often something took place for a job, whichever of its steps asked for it."""
        listed = _document(self._http.get("/_control/effects", params={"kind": kind}))["effects"]
        return sum(job["id"] in (effect["idempotency_key"] or "") for effect in listed)


class Mailbox:
    """The mailbox, by its HTTP view."""

    def __init__(self, stage: Stage) -> None:
        self._http = _client(stage.mailbox_url)

    def mails_to(self, address: str) -> list[Json]:
        """What has arrived for an address."""
        mails: list[Json] = _document(self._http.get("/messages", params={"to": address}))["messages"]
        return mails
