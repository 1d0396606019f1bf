"""The secret that a master and its workers share, and where one is needed.

Whoever may speak to a master can stop its storm and mark its ledger, so beyond loopback nobody is heard who does not know the
secret. It comes from a file or the environment, never from the command line, which every user of a machine can read.
"""

import ipaddress
import os
import stat
from pathlib import Path

from scenarios.spec import ScenarioError
from scenarios.texts.outside import UnreadableText, text_of, why_refused

SECRET_VARIABLE = "METERSTORM_FLEET_SECRET"
SECRET_SIZE_MIN = 16  # characters: whoever records a handshake can try short ones out at home
_SECRET_SIZE_MAX = 4096
_HOW_TO = (
    f"the first line of a file (--secret-file), or {SECRET_VARIABLE} in the environment, the same on every machine"
)


def read_secret(path: Path | None) -> str | None:
    """The secret of the file, or else of the environment; None where there is none.

    Raises ScenarioError for a file that is missing, or that others may read, and for a secret that is too short.
    """
    if path is not None:
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = text_of(file.readline(_SECRET_SIZE_MAX + 1))
        except (OSError, UnreadableText) as error:
            raise ScenarioError(f"--secret-file {path} can't be read: {why_refused(error)}") from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ScenarioError(f"--secret-file {path} can be read by other users; mend: chmod 600 {path}")
        origin = f"--secret-file {path}"
    else:
        text, origin = os.environ.get(SECRET_VARIABLE, ""), SECRET_VARIABLE
        if not text:
            return None
    secret = text.strip()
    if not SECRET_SIZE_MIN <= len(secret) <= _SECRET_SIZE_MAX:
        raise ScenarioError(
            f"{origin}: a secret has from {SECRET_SIZE_MIN} to {_SECRET_SIZE_MAX} characters; make one, say: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return secret


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def require_secret(secret: str | None, host: str, option: str) -> None:
    """Raises ScenarioError when master or worker would speak beyond this machine without a secret."""
    if secret is None and not is_loopback(host):
        raise ScenarioError(
            f"{option} {host} is beyond this machine, where everybody could send to the master: share a secret, as {_HOW_TO}"
        )
