"""Keeps a Python process off the network. Imports nothing of the kit: it is run by itself."""

import socket
import sys


def refuse_network() -> None:
    """From now on, raise PermissionError when this process looks up, connects or sends to a host.

    An audit hook (PEP 578) sees every socket that Python opens, and cannot be taken out again.
    Sockets of this machine's file system stay: processes talk to each other by them.
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
