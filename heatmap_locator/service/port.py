"""The address to listen on, tried before the model is loaded."""

import socket

from heatmap_locator.errors import InputError


def check_port(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on.

    Args:
        host: name or address.
        port: 0 for any.

    Raises:
        InputError: another program listens there, it is not this machine's, or it is not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does
            tried.bind(address)
    except OSError as error:
        raise InputError(
            f"cannot be listened on ({error.strerror or error}); give another --host or --port",
            name=f"{host}:{port}",
        ) from None
