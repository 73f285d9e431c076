"""uvicorn's HTTP protocol with a limit on how long a request's head may take to come.

uvicorn has no such setting.  Nothing of its own is touched: the methods are those by which asyncio
(``connection_made``, ``connection_lost``) and httptools (``on_message_begin``,
``on_headers_complete``) call whatever protocol they are given.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def protocol(seconds: float) -> type[asyncio.Protocol]:
    """The protocol class; a connection whose head is not there in time is closed."""

    class PunctualProtocol(HttpToolsProtocol):
        __alarm: asyncio.TimerHandle | None = None
        __connection: asyncio.BaseTransport

        def connection_made(self, transport: Any) -> None:  # of asyncio, or of uvloop
            super().connection_made(transport)
            self.__connection = transport
            self.__arm()

        def connection_lost(self, exc: Exception | None) -> None:
            self.__disarm()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            self.__arm()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self.__disarm()
            super().on_headers_complete()

        def __arm(self) -> None:
            self.__disarm()
            loop = asyncio.get_running_loop()
            self.__alarm = loop.call_later(seconds, self.__connection.close)

        def __disarm(self) -> None:
            if self.__alarm is not None:
                self.__alarm.cancel()
                self.__alarm = None

    return PunctualProtocol
