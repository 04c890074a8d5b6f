// One Socket.IO process without an adapter: a session that moves to another process is lost there.
// Prints its port; answers "who" with its process id.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer((request, response) => response.end("not Socket.IO\n"));
const io = new Server(http, { pingInterval: 5000, pingTimeout: 20000 });
io.on("connection", (socket) => {
  socket.on("who", (number, answer) => answer({ process: process.pid, number }));
});
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
