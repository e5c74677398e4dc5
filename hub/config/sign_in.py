"""What is configured of operators' logging in: how long it lasts, and through whom."""

from collections.abc import Mapping
from dataclasses import dataclass

from hub.config.environment import Environment
from hub.domain.access import Role
from hub.domain.redaction import Secret
from hub.domain.sessions import SessionLimits
from hub.urls import issuer_url


@dataclass(frozen=True, slots=True)
class OidcConfig:
    """The identity provider that operators log in through.

    Attributes:
        issuer: as it calls itself, to the letter.
        title: what the button says.
        groups_claim: which claim of the ID token lists somebody's groups.
        roles: of those whom no administrator has made: by group. Empty lets in nobody else.
    """

    issuer: str
    client_id: str
    client_secret: Secret
    title: str
    scopes: str
    groups_claim: str
    roles: Mapping[str, Role]


def read_sessions(env: Environment) -> SessionLimits:
    """Read how long sessions last."""
    hour = 3_600
    return SessionLimits(
        idle=env.seconds(
            "HUB_SESSION_IDLE", 8 * hour, "after how long without a click operators log in again", low=60, high=30 * 24 * hour
        ),
        whole=env.seconds(
            "HUB_SESSION_LIFETIME", 7 * 24 * hour, "after how long they do in any case", low=60, high=90 * 24 * hour
        ),
    )  # fmt: skip


def read_oidc(env: Environment) -> OidcConfig | None:
    """Read which identity provider operators log in through; None for none."""
    issuer = env.parsed(
        "HUB_OIDC_ISSUER",
        None,
        "the identity provider that operators log in through",
        issuer_url,
        shown="none",
    )
    client = env.text("HUB_OIDC_CLIENT_ID", "none", "who the hub is to it")
    secret = env.secret("HUB_OIDC_CLIENT_SECRET", "how the hub shows that")
    title = env.text("HUB_OIDC_TITLE", "the identity provider", "what the button to log in calls it")
    scopes = env.text("HUB_OIDC_SCOPES", "openid email profile", "what the hub asks it for")
    claim = env.text("HUB_OIDC_GROUPS_CLAIM", "groups", "the claim that lists somebody's groups")
    nobody: Mapping[str, Role] = {}
    roles = env.parsed(
        "HUB_OIDC_ROLES",
        nobody,
        "who gets in without being made first, as `group=role` with commas between",
        _roles,
        shown="nobody",
    )
    names = ("HUB_OIDC_ISSUER", "HUB_OIDC_CLIENT_ID", "HUB_OIDC_CLIENT_SECRET")
    given = [name for name in names if env.is_given(name)]
    if given and len(given) < len(names):
        env.problems.append(f"set all of {', '.join(names)}, or none")
    if given and not env.is_given("HUB_PUBLIC_URL"):
        env.problems.append(
            "HUB_OIDC_ISSUER needs HUB_PUBLIC_URL: the identity provider sends browsers back there"
        )
    if issuer is None or secret is None:
        return None
    return OidcConfig(issuer, client, secret, title, scopes, claim, roles)


def _roles(text: str) -> Mapping[str, Role]:
    pairs = [pair.strip().rpartition("=") for pair in text.split(",")]
    if not all(group and role in set(Role) for group, _, role in pairs):
        raise ValueError(f"must be pairs as `group=role` with commas between; roles are {', '.join(Role)}")
    return {group: Role(role) for group, _, role in pairs}
