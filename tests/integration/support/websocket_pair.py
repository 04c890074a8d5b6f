"""A client and a server of the library `websockets` with the proxy between them."""

import asyncio
import contextlib

import websockets
from support.configuration import site, tls


async def serve_echo(socket):
    with contextlib.suppress(websockets.ConnectionClosed):
        async for message in socket:
            if message == "close please":
                await socket.close(4001, "as you wish")
                return
            await socket.send(message)


@contextlib.asynccontextmanager
async def real_pair(start_sluice, *, tls_of=None, group_keys=None, **connect):
    async with websockets.serve(serve_echo, "127.0.0.1", 0, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        config = site(f"127.0.0.1:{port}")
        config["target_groups"][0].update(group_keys or {})
        scheme = "ws"
        if tls_of is not None:
            config["listeners"][0]["tls"] = tls(tls_of[0])
            scheme = "wss"
            connect.update(ssl=tls_of[1], server_hostname="site.test")
        proxy = await asyncio.to_thread(start_sluice, config)
        async with websockets.connect(f"{scheme}://127.0.0.1:{proxy.port()}/", max_size=None,
                                      **connect) as client:
            yield proxy, client
