// A target: a page, items, an echo of bodies, server-sent events that come one by one when asked for, and
// a WebSocket that echoes; paths count from their last part. "http1" as its argument: HTTP/1.1 in the
// clear; "http2" and the files of a certificate and its key: HTTP/2 over TLS. Prints its port.
const fs = require("node:fs");
const http = require("node:http");
const http2 = require("node:http2");
const { WebSocket, WebSocketServer } = require("ws");

const [version, cert, key] = process.argv.slice(2);
const listening = new Set();  // to events
let events = 0;

function answer(request, response) {
  const [name, number] = request.url.split("/").slice(-2);
  if (name === "item") {
    response.setHeader("content-type", "text/plain");
    response.end(`item ${number} `.repeat(1000));
  } else if (number === "echo") {
    request.pipe(response);
  } else if (number === "events") {
    response.setHeader("content-type", "text/event-stream");
    response.write(": begun\n\n");
    listening.add(response);
    response.on("close", () => listening.delete(response));
  } else if (number === "next") {
    ++events;
    for (const each of listening) each.write(`data: event ${events}\n\n`);
    response.end();
  } else {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>site</title><link rel=icon href=data:,>");
  }
}

function serve(socket) {
  socket.on("message", (data, isBinary) => {
    if (!isBinary && data.toString() === "close please") return socket.close(4002, "as you wish");
    socket.send(data, { binary: isBinary });
  });
}

let server;
if (version === "http2") {
  server = http2.createSecureServer({
    cert: fs.readFileSync(cert), key: fs.readFileSync(key), settings: { enableConnectProtocol: true },
  }, answer);
  server.on("connect", ({ stream, headers }) => {
    if (headers[":protocol"] !== "websocket") return stream.close();
    stream.respond({ ":status": 200 });
    const socket = new WebSocket(null, undefined, {});
    socket.setSocket(stream, Buffer.alloc(0), {
      allowSynchronousEvents: true, maxPayload: 16 << 20, skipUTF8Validation: false,
    });
    serve(socket);
  });
} else {
  server = http.createServer(answer);
  new WebSocketServer({ server, maxPayload: 16 << 20, perMessageDeflate: true }).on("connection", serve);
}
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
