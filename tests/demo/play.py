"""What is shown: a webhook, a job with an idempotency key, a declined card, a provider that is down."""

from datetime import datetime
from uuid import uuid4

from tests.demo.narrator import Narrator, NotHeld
from tests.demo.parties import Hub, Json, Mailbox, Stripe

TAG = "demo"


class Play:
    """One run, whose ids nothing shares with another run."""

    def __init__(self, narrator: Narrator, hub: Hub, stripe: Stripe, mailbox: Mailbox) -> None:
        self._say = narrator
        self._hub = hub
        self._stripe = stripe
        self._mailbox = mailbox
        self._run = uuid4().hex[:8]

    def run(self) -> None:
        """Show it all. Raises NotHeld, saying what did not hold."""
        self._hub.require_free_hands()
        if left := self._hub.cancel_left_over(TAG):
            self._say.line(f"cancelled {left} job(s) that an earlier run was stopped in the middle of")
        self._say.title(
            "0. Stripe is down for refunds: it answers 503, twice. A refund is asked for all the same"
        )
        refund = self._ask_for_refund()
        self._say.title("1. A customer pays, and Stripe tells the hub by a webhook")
        self._webhook()
        self._say.title("2. The shop charges a card through the hub, and repeats itself")
        self._idempotency()
        self._say.title("3. A card is declined; it is mended, and a person retries the job")
        self._decline()
        self._say.title("4. Back to the refund of step 0: what became of it meanwhile")
        self._outage(refund)
        self._say.title("5. One more card is declined, and mended; this time nobody has retried the job yet")
        self._left_for_the_operator()

    def _webhook(self) -> None:
        address, event = f"ada.{self._run}@example.com", f"evt_{self._run}"
        payment = self._stripe.pay(1999, address)
        self._say.line(f"payment {payment} of 19.99 EUR by {address} exists at Stripe")
        answer = self._stripe.send_event(self._hub.webhook_url, "payment_intent.succeeded", payment, event)
        self._say.expect(
            answer["duplicate"] is False,
            f"the hub took event {event}, signed by Stripe's own library",
            f"answered {answer}",
        )
        (job,) = self._hub.jobs_of_event(answer["event_id"])
        self._require(self._hub.settled(job), "succeeded")
        mails = self._mailbox.mails_to(address)
        self._say.expect(
            len(mails) == 1,
            f"a job ran, and one receipt came by SMTP: “{mails and mails[0]['subject']}”",
            f"{len(mails)} mails came",
        )
        again = self._stripe.send_event(self._hub.webhook_url, "payment_intent.succeeded", payment, event)
        self._say.expect(
            again == {**answer, "duplicate": True},
            "the same event again: answered with duplicate: true",
            f"answered {again}",
        )
        jobs, mails = self._hub.jobs_of_event(answer["event_id"]), self._mailbox.mails_to(address)
        self._say.expect(
            jobs == [job] and len(mails) == 1,
            "no second job, and no second mail",
            f"{len(jobs)} jobs, {len(mails)} mails",
        )

    def _idempotency(self) -> None:
        key, args = (
            f"order-{self._run}",
            {"amount": 4200, "currency": "eur", "payment_method": "pm_card_visa"},
        )
        first = self._hub.submit(key, "payments.charge", args, [TAG, key])
        self._say.expect(
            first.status_code == 201, f"POST /v1/jobs, Idempotency-Key: {key} → 201", _told(first)
        )
        job = self._require(self._hub.settled(first.json()["id"]), "succeeded")
        self._expect_effects(
            "payment_intent.succeeded", job, f"one payment of 42.00 EUR at Stripe: {job['result']['id']}"
        )
        again = self._hub.submit(key, "payments.charge", args, [TAG, key])
        replayed = again.headers.get("Idempotent-Replayed")
        self._say.expect(
            again.status_code == 200 and replayed == "true" and again.json()["id"] == job["id"],
            "the same request again → 200, Idempotent-Replayed: true, the same job",
            _told(again),
        )
        self._say.expect(len(self._hub.tagged(key)) == 1, "one job in all", "there are more")
        self._expect_effects("payment_intent.succeeded", job, "still one payment at Stripe")
        other = self._hub.submit(key, "payments.charge", {**args, "amount": 1}, [TAG, key])
        self._say.expect(
            other.status_code == 422 and other.json()["code"] == "idempotency_key_reused",
            "the same key for another amount → 422: “the key was used for another request”",
            _told(other),
        )

    def _decline(self) -> None:
        customer, job = self._declined("bob", 750)
        self._say.expect(
            job["reason"] == "declined",
            f"the job failed for good: {job['error']['message']}",
            f"its reason is {job['reason']}",
        )
        self._say.line(f"the hub's advice: {job['retry']['text']}")
        self._expect_effects("payment_intent.succeeded", job, "no payment at Stripe", count=0)
        self._stripe.set_card(customer, declines=False)
        self._say.line("the customer mends the card; POST /v1/jobs/{id}/retry")
        self._hub.retry(job["id"], "the customer has a new card")
        job = self._require(self._hub.settled(job["id"]), "succeeded")
        self._expect_effects(
            "payment_intent.succeeded",
            job,
            f"the job succeeded: one payment of 7.50 EUR, {job['result']['id']}",
        )

    def _declined(self, name: str, amount: int) -> tuple[str, Json]:
        """A charge of a card that its bank declines: the customer, and the failed job."""
        customer = self._stripe.customer(f"{name}.{self._run}@example.com")
        self._stripe.set_card(customer, declines=True)
        made = self._hub.submit(
            f"{name}-{self._run}",
            "payments.charge",
            {"amount": amount, "currency": "eur", "customer": customer},
            [TAG, f"order:{name}-{self._run}"],
        )
        return customer, self._require(self._hub.settled(made.json()["id"]), "failed")

    def _left_for_the_operator(self) -> None:
        customer, job = self._declined("carol", 1250)
        self._stripe.set_card(customer, declines=False)
        self._expect_effects("payment_intent.succeeded", job, "no payment at Stripe", count=0)
        self._say.line(f"job {job['id']} waits in the operators' inbox: find it, and retry it in the console")

    def _ask_for_refund(self) -> str:
        payment = self._stripe.pay(500)
        self._stripe.fail("/v1/refunds", 503, times=2)
        made = self._hub.submit(f"refund-{self._run}", "payments.refund", {"payment_intent": payment}, [TAG])
        self._say.expect(
            made.status_code == 201, f"POST /v1/jobs → 201, job {made.json().get('id')}", _told(made)
        )
        self._say.line("it is tried now, and again on a schedule of its own; nothing else waits for it")
        return str(made.json()["id"])

    def _outage(self, job: str) -> None:
        now = self._hub.job(job)
        if not now["settled_at"]:
            self._say.line(
                f"the job is {now['state']}: {now['next']['text']} (the last answer: {now['error']['message']})"
            )
        done = self._require(self._hub.settled(job), "succeeded")
        self._tell_schedule(done)
        self._say.expect(
            len(done["attempts"]) == 3,
            "it succeeded on its third attempt",
            f"it took {len(done['attempts'])}",
        )
        self._expect_effects(
            "refund.created", done, f"one refund of 5.00 EUR at Stripe: {done['result']['id']}"
        )

    def _tell_schedule(self, job: Json) -> None:
        began = datetime.fromisoformat(job["created_at"])
        for attempt in job["attempts"]:
            after = (datetime.fromisoformat(attempt["started_at"]) - began).total_seconds()
            what = attempt["error"]["code"] if attempt["error"] else "done"
            self._say.line(
                f"attempt {attempt['number']}, {after:4.1f} s after it was submitted: {attempt['outcome']} ({what})"
            )

    def _expect_effects(self, kind: str, job: Json, text: str, count: int = 1) -> None:
        found = self._stripe.effects(kind, job)
        self._say.expect(found == count, text, f"Stripe counts {found}")

    @staticmethod
    def _require(job: Json, state: str) -> Json:
        if job["state"] != state:
            raise NotHeld(f"job {job['id']} ({job['job']}) is {job['state']} and not {state}: {job['error']}")
        return job


def _told(answer: object) -> str:
    return f"the hub answered {getattr(answer, 'status_code', '')}: {getattr(answer, 'text', '')[:300]}"
