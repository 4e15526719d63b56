"""Serves a study's pages on this machine, by Starlette and uvicorn (the extra ``rate``)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from bench.report.pages.sending import HEADERS
from bench.report.rating.pages import Pages, Reply
from bench.types import BenchError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

MOST_SENT = 4096
"""Bytes that a page may send."""


def need_server() -> None:
    """Raises ``BenchError`` in one line where Starlette or uvicorn is missing."""
    try:
        import starlette
        import uvicorn
    except ImportError as error:
        raise BenchError(
            "the rating page is served by Starlette and uvicorn: pip install 'sam-bench[rate]'"
        ) from error
    del starlette, uvicorn


def make_app(pages: Pages) -> Starlette:
    """The application: each address of ``Pages`` and nothing else."""
    need_server()
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import Response
    from starlette.routing import Route

    def sent(reply: Reply) -> Response:
        moved = {} if reply.location is None else {"Location": reply.location}
        return Response(reply.body, reply.status, HEADERS | moved, reply.kind)

    def shown(page: Callable[..., Reply]) -> Callable[[Request], Response]:
        return lambda request: sent(page(**request.path_params))

    async def rated(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_SENT:
                return Response("Too much", 413, HEADERS)
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        return sent(await run_in_threadpool(pages.rate, **request.path_params, form=form))

    def missing(request: Request, error: Exception) -> Response:
        return Response("Not Found", 404, HEADERS)

    routes = [
        Route("/{token}", shown(pages.start)),
        Route("/{token}/next", shown(pages.following)),
        Route("/{token}/{code}", shown(pages.job)),
        Route("/{token}/{code}", rated, methods=["POST"]),
        Route("/{token}/{code}/{name}.png", shown(pages.view)),
    ]
    return Starlette(routes=routes, exception_handlers={404: missing, 405: missing})


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; raises ``BenchError`` where the address can't be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise BenchError(
            f"can't serve at {host} port {port} ({error}); choose another with --port"
        ) from error


def serve(pages: Pages, listening: socket.socket) -> None:
    """Answers until it is stopped (Ctrl-C)."""
    app = make_app(pages)
    import uvicorn

    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", server_header=False
    )
    uvicorn.Server(config).run(sockets=[listening])
