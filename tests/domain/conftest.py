"""How the rules' tests run: no deadline an example, for a busy machine is not a slow rule."""

from hypothesis import settings

settings.register_profile("domain", deadline=None)
settings.load_profile("domain")
