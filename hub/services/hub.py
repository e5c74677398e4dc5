"""Everything that the web process and the worker are given: one frozen bundle, built by `hub.bootstrap`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

from hub.config import Config
from hub.domain.redaction import Redactor
from hub.infra.breakers import Breakers
from hub.infra.metrics import Metrics
from hub.infra.queue import ReadyQueue
from hub.infra.sender import Sender
from hub.infra.sentry import Reporter
from hub.infra.store.database import Database
from hub.registry import Registry
from hub.services.alerts import Alerts, Telling
from hub.services.audit import AuditTrail
from hub.services.call_statistics import CallStatistics
from hub.services.companions import Companions
from hub.services.edits import Edits
from hub.services.fleet import Fleet
from hub.services.gauges import Gauges
from hub.services.handover import Handover
from hub.services.inbox import Inbox
from hub.services.inspect import Inspect
from hub.services.intake import Intake
from hub.services.keys import Keys
from hub.services.logins import Logins
from hub.services.operate import Operate
from hub.services.operators import Operators
from hub.services.plans import Plans
from hub.services.saved_views import SavedViews
from hub.services.single_sign_on import SingleSignOn
from hub.services.statistics import Statistics
from hub.services.submit import Submit
from hub.services.suggest import Suggest
from hub.services.timeline import Timeline
from hub.services.waking import Waking
from hub.services.why import Why


@dataclass(frozen=True, slots=True)
class Hub:
    """The parts, wired. Nothing here is global; two hubs can live in one process, as they do in tests."""

    config: Config
    registry: Registry
    database: Database
    queue: ReadyQueue
    handover: Handover
    waking: Waking
    intake: Intake
    submit: Submit
    inspect: Inspect
    suggest: Suggest
    views: SavedViews
    operate: Operate
    plans: Plans
    inbox: Inbox
    edits: Edits
    timeline: Timeline
    why: Why
    keys: Keys
    operators: Operators
    logins: Logins
    fleet: Fleet
    audit: AuditTrail
    single_sign_on: SingleSignOn | None
    statistics: Statistics
    alerts: Alerts
    telling: Telling
    call_statistics: CallStatistics
    sender: Sender
    breakers: Breakers
    companions: Companions
    metrics: Metrics
    gauges: Gauges
    redactor: Redactor
    reporter: Reporter
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    rng: Random
