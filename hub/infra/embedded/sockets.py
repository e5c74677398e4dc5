"""Where the sockets live: a directory for the owner alone, under a path that is short enough."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

from .process import Account

# sun_path in sockaddr_un(7) holds 108 bytes on Linux and 104 on macOS, its closing zero included.
LIMIT = 100
LONGEST = ".s.PGSQL.5432.lock"


def socket_directory(var_dir: Path) -> Path:
    """The directory of the sockets, as clients must name it."""
    directory = var_dir / "run" / "sockets"
    return directory.readlink() if directory.is_symlink() else directory


def make_socket_directory(var_dir: Path, account: Account | None) -> None:
    """Make the directory of the sockets; where its path is too long, a link to a short one of a random name."""
    directory = var_dir / "run" / "sockets"
    if directory.is_symlink() and not directory.is_dir():
        directory.unlink()  # whoever tidies the system's temporary directory took it away
    if len(os.fsencode(directory / LONGEST)) > LIMIT and not directory.exists():
        directory.symlink_to(tempfile.mkdtemp(prefix="hub-", dir=_short_temporary_directory()))
    private_directory(socket_directory(var_dir), account)


def remove_socket_directory(var_dir: Path) -> None:
    """Leave nothing behind in the system's temporary directory."""
    directory = var_dir / "run" / "sockets"
    if directory.is_symlink():
        shutil.rmtree(directory.readlink(), ignore_errors=True)
        directory.unlink()


def private_directory(directory: Path, account: Account | None = None) -> None:
    """Make a directory that only its owner can enter: `account`, and root, who then made it."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None:
        os.chown(directory, account.uid, account.gid)
        let_through(directory)


def let_through(path: Path) -> None:
    """Let every account search (not list) the directories above `path`, which may be root's alone."""
    for directory in path.parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _short_temporary_directory() -> str:
    chosen = tempfile.gettempdir()
    name = Path(chosen) / "hub-12345678" / LONGEST
    return chosen if len(os.fsencode(name)) <= LIMIT else "/tmp"  # noqa: S108 - mkdtemp makes a private directory in it
