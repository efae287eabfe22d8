"""Blocks the network for a Python process. Imports nothing of the kit: it runs standalone."""

import socket
import sys


def refuse_network() -> None:
    """From now on, raise PermissionError when this process resolves, connects or sends to a host.

    An audit hook (PEP 578) sees every socket that Python opens and cannot be removed. Unix domain
    sockets stay allowed: local processes communicate through them.
    """
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        raise PermissionError(f"the network is blocked: {event} {arguments[0]}")
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        end, *rest = arguments
        local = getattr(socket, "AF_UNIX", None)
        if isinstance(end, socket.SocketType) and end.family == local:
            return
        raise PermissionError(f"the network is blocked: {event} {rest}")
