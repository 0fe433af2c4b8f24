"""Which environment variables hold something that should not be on a screen or in a ticket.

A guess, in favour of hiding: by the name, or by the form of the value.
"""

import re
from collections.abc import Mapping

MASK = "***"

_NAME = re.compile(
    r"PASS|SECRET|CRED|COOKIE|WEBHOOK|(?<=_)PWD|TOKEN(?!IZ)|AUTH(?!OR)|SALT(?![A-Z])|PRIVATE|CONN(ECTION)?_?STR"
    r"|KEY(?=$|S$|_|\d)",
    re.IGNORECASE,
)
#: The name of a place where the secret is, not the secret: POSTGRES_PASSWORD_FILE, SSH_AUTH_SOCK.
_PLACE = re.compile(r"_(FILE|PATH|DIR|SOCK)$", re.IGNORECASE)
#: Every repetition has an upper bound: values are somebody else's, and may be megabytes long.
_VALUE = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY"
    r"|(?<![\w-])eyJ[\w-]{5,2000}\.eyJ"  # JSON web token
    r"|://[^/\s:@]{0,200}:[^@\s/]{1,1000}@"  # URL with a password
    r"|\b(AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS access key id
    r"|\b(gh[pousr]_|github_pat_|glpat-|xox[abprs]-|hvs\.)[\w-]{8}"
    r"|\b(password|passwd|pwd|secret|accountkey|sharedaccesskey)\"?\s{0,5}[=:]",
    re.IGNORECASE,
)


def looks_secret(name: str, value: str) -> bool:
    """Whether the value of that variable should be hidden. An empty value tells nothing."""
    if not value:
        return False
    if _NAME.search(name) and not (value.startswith("/") and _PLACE.search(name)):
        return True
    return _VALUE.search(value) is not None


def mask_secrets(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The same variables, secret-looking values replaced by ``***``."""
    return {name: MASK if looks_secret(name, value) else value for name, value in environment.items()}
