"""What is configured of third parties: where providers live and who the hub is to them, and what sources sign with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hub.config.environment import Environment, variable
from hub.domain.providers import Provider
from hub.domain.redaction import Secret
from hub.domain.sources import Source
from hub.urls import base_url


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What is configured of one provider.

    Attributes:
        base_url: where it lives, without a slash at its end; None leaves it to the provider's own.
        credentials: by their names in the provider's file; only those that are set.
        secrets: those of the credentials that no log may show.
        missing: the variables without which it cannot be called.
    """

    base_url: str | None
    credentials: Mapping[str, Secret]
    secrets: tuple[Secret, ...]
    missing: tuple[str, ...]

    def revealed(self) -> dict[str, str]:
        """The credentials themselves, for a `Call`."""
        return {name: secret.reveal() for name, secret in self.credentials.items()}


def read_webhook_secrets(env: Environment, source: Source) -> tuple[Secret, ...]:
    """Read what a source signs with, in the order given; none if nothing is."""

    def check(text: str) -> None:
        for place, secret in enumerate((part.strip() for part in text.split(",")), 1):
            if not secret:
                raise ValueError(f"secret {place} of the list is empty, which anyone could sign with")
            try:
                source.scheme.key(secret)
            except ValueError:
                raise ValueError(f"secret {place} of the list cannot be one of {source.name}'s") from None

    what = f"what {source.name} signs with; while rotating several, comma-separated"
    secret = env.secret(variable("webhook", source.name, "secret"), what, check=check)
    return tuple(Secret(part.strip()) for part in secret.reveal().split(",")) if secret else ()


def read_provider(env: Environment, provider: Provider) -> ProviderSettings:
    """Read what is configured of a provider."""
    url_name = variable(provider.name, "base_url")
    default = provider.base_url or None
    where = env.parsed(url_name, default, f"where {provider.name} lives", base_url, shown=default or "none")
    needed = (provider.auth.credential,) if provider.auth.credential else ()
    names = {credential: variable(provider.name, credential) for credential in (*needed, *provider.settings)}
    values = {
        credential: env.secret(name, f"{provider.name}'s {credential.replace('_', ' ')}")
        for credential, name in names.items()
    }
    missing = tuple(names[credential] for credential in needed if not env.is_given(names[credential]))
    given = [name for name in (url_name, *names.values()) if env.is_given(name)]
    env.problems += [
        f"{name} is missing, and {given[0]} is set: set both or none" for name in missing if given
    ]
    credentials = {credential: value for credential, value in values.items() if value is not None}
    return ProviderSettings(
        base_url=where if url_name in env.variables else None,
        credentials=credentials,
        secrets=tuple(value for name, value in credentials.items() if provider.keeps_secret(name)),
        missing=missing,
    )


def lacking(
    secrets: Mapping[str, tuple[Secret, ...]], providers: Mapping[str, ProviderSettings]
) -> Iterator[str]:
    """Sentences about what cannot be received or called as nothing is configured of it."""
    for source, given in secrets.items():
        if not given:
            name = variable("webhook", source, "secret")
            yield f"{name} is not set: every delivery of {source} is answered with 401"
    for provider, settings in providers.items():
        for name in settings.missing:
            yield f"{name} is not set: {provider} cannot be called"
