"""Issues and verifies the tokens with which sellers connect to the bridge. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from jwt.types import Options

from runtime.errors import TokenError

# A signature is only computed for a text of bounded length, because anybody may send one.
LONGEST_TOKEN = 8_192
LONGEST_CLIENT_ID = 200
LARGEST_USER_ID = 2**63 - 1
WAY_OUT = "get a new one and connect again"
LONGEST_LIFETIME = timedelta(days=90)
"""The default: who finds an old token must not act as its seller for ever."""
DAY = timedelta(days=1)
LEEWAY = timedelta(hours=1)
"""The clock of the application that issues tokens may be so much ahead of ours."""

# The application that issues tokens may put claims of its own into them, and its clock may be
# a little ahead of ours, so only the claims that matter here are checked.
CHECKS: Options = {
    "require": ["exp"],
    # The library would judge them by the clock of this machine, which may be wrong.
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_sub": False,
    "verify_jti": False,
}


@dataclass(frozen=True, slots=True)
class Identity:
    """The proven user of a connecting browser, and the browser's declarations.

    Attributes:
        resume: whether the browser remembers commands and answers a repeated one from memory.
        client_id: the name of that memory; two browsers of a seller have two memories.
        expires_at: the time when the token expires.
        token: the token itself, which nothing that the browser sends may bring into a text.
    """

    user_id: int
    resume: bool
    client_id: str | None
    expires_at: datetime
    token: str = field(default="", repr=False, compare=False)


def issue_token(user_id: int, secret: str, algorithm: str, lifetime: timedelta) -> str:
    """Make a token for a seller."""
    now = datetime.now(UTC)
    claims = {"sub": str(user_id), "iat": now, "exp": now + lifetime}
    return jwt.encode(claims, secret, algorithm=algorithm)


def verify_token(
    auth: object,
    secret: str,
    algorithm: str,
    now: datetime,
    longest: timedelta = LONGEST_LIFETIME,
) -> Identity:
    """Verify the ``auth`` of a Socket.IO handshake, and return who connects.

    Args:
        auth: ``{user_id, token, resume?, client_id?}``; the token decides, and ``user_id``
            may be absent.
        now: the time of the database's clock, by which the token is judged.
        longest: the time for which a token may be valid.

    Raises:
        TokenError: the token is not valid; the message may be sent to the client.
    """
    if not isinstance(auth, dict) or not auth.get("token"):
        raise TokenError("the token is missing: connect with auth {user_id, token}")
    claims = _claims(auth["token"], secret, algorithm, now)
    expires_at = _expiry(claims["exp"])
    _check_lifetime(expires_at, now, longest)
    user_id = _subject(claims.get("sub"))
    if auth.get("user_id") is not None and _number(auth["user_id"]) != user_id:
        raise TokenError(
            f"user_id differs from the token, which is for user {user_id}: "
            "connect with the token of that user, or leave user_id out"
        )
    return Identity(
        user_id=user_id,
        resume=auth.get("resume") is True,
        client_id=_client_id(auth.get("client_id")),
        expires_at=expires_at,
        token=auth["token"],
    )


def _claims(token: object, secret: str, algorithm: str, now: datetime) -> dict[str, Any]:
    if not isinstance(token, str) or len(token) > LONGEST_TOKEN:
        raise TokenError(f"the token is malformed (not a JWT): {WAY_OUT}")
    try:
        # One algorithm alone is accepted: a token must not choose how it is verified.
        claims: dict[str, Any] = jwt.decode(token, secret, algorithms=[algorithm], options=CHECKS)
        expires, begins = int(claims["exp"]), int(claims.get("nbf", 0))
    except jwt.InvalidSignatureError:
        raise TokenError(
            "the token has a wrong signature: it must be signed with this service's "
            "RUNTIME_TOKEN_SECRET"
        ) from None
    except jwt.InvalidAlgorithmError:
        raise TokenError(f"the token has a wrong algorithm: sign it with {algorithm}") from None
    except jwt.MissingRequiredClaimError:
        raise TokenError("the token has no expiry: issue it with the claim exp") from None
    except (jwt.PyJWTError, TypeError, ValueError, OverflowError, RecursionError):
        raise TokenError(f"the token is malformed (not a JWT): {WAY_OUT}") from None
    if begins > now.timestamp():
        raise TokenError("the token is not valid yet (its claim nbf)")
    if expires <= now.timestamp():
        raise TokenError(f"the token has expired: {WAY_OUT}")
    return claims


def _check_lifetime(expires_at: datetime, now: datetime, longest: timedelta) -> None:
    if expires_at - now > longest + LEEWAY:
        raise TokenError(
            f"the token is valid for too long: it may expire at most {longest / DAY:g} days from "
            "now (RUNTIME_TOKEN_LONGEST_DAYS); get one with an earlier exp and connect again"
        )


def _subject(value: object) -> int:
    user_id = _number(value)
    if user_id is None:
        raise TokenError("the token names no user: its claim sub must be a positive integer")
    return user_id


def _number(value: object) -> int | None:
    """Read a positive integer, given as such or in digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    # Python takes True for 1.
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value <= LARGEST_USER_ID else None


def _client_id(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_CLIENT_ID:
        raise TokenError(f"client_id must be a text of 1 to {LONGEST_CLIENT_ID} characters")
    return value


def _expiry(exp: object) -> datetime:
    """Return the time of the claim, which was compared with now already."""
    try:
        return datetime.fromtimestamp(int(exp), UTC)  # type: ignore[call-overload]
    except (ValueError, OverflowError, OSError):
        # The claim lies beyond the years that a datetime knows.
        return datetime.max.replace(tzinfo=UTC)
