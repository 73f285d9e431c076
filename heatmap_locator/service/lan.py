"""The service for the phones of a home: what it opens, its token, its address as a QR code."""

import io
import os
import secrets
import socket
from pathlib import Path

ANY = "0.0.0.0"
"""All networks of this machine."""

_ELSEWHERE = ("192.0.2.1", 9)
"""An address for documentation (RFC 5737); nothing is sent there."""


def address() -> str:
    """This machine's address in the network that it reaches others by, else its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(_ELSEWHERE)
        except OSError:  # it is in no network
            return "127.0.0.1"
        return str(asked.getsockname()[0])


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as free:
        free.bind((ANY, 0))
        return int(free.getsockname()[1])


def kept_token(data: Path) -> str:
    """The token in a data folder, made at first: the address stays the same from day to day."""
    path = data / "token"
    try:
        token = path.read_text().strip()
    except FileNotFoundError:
        token = ""
    if not token:
        token = secrets.token_urlsafe(12)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token + "\n")
    return token


def link(host: str, port: int, token: str) -> str:
    """The page's address with the token in its fragment, which browsers do not send."""
    return f"http://{host}:{port}/#token={token}"


def qr_code(text: str) -> str:
    """A QR code for a terminal, of half blocks."""
    import segno

    out = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(out, compact=True)
    return out.getvalue()


def welcome(port: int, token: str) -> str:
    """What ``--lan`` says: what is open to whom, and how a phone gets there."""
    host = address()
    where = link(host, port, token)
    return "\n".join(
        [
            "",
            f"Open to everyone in this machine's networks: port {port} at {host}.",
            "Whoever has the address below can see, add and delete puzzles; it is not encrypted.",
            "",
            where,
            "",
            qr_code(where),
            "Point the phone's camera at the code. Ctrl-C closes it again.",
        ]
    )
