// Many Socket.IO clients, each with cookies of its own, beginning with long-polling and upgrading.
// Usage: clients.js URL COUNT. Reads commands, one a line: "report" prints a JSON line of what has
// happened so far, "end" closes all.
const { io } = require("socket.io-client");
const { createInterface } = require("node:readline");

const [url, count] = [process.argv[2], Number(process.argv[3])];
const state = { connected: 0, answers: 0, disconnects: [], errors: [], moved: 0 };
const sockets = [];
const processes = new Set();

function talk(socket, client) {
  if (!socket.connected) return;
  const number = client.sent++;
  socket.emit("who", number, (answer) => {
    if (answer.number !== number) state.errors.push(`asked ${number}, was told ${answer.number}`);
    if (client.process !== undefined && client.process !== answer.process) state.moved++;
    client.process = answer.process;
    processes.add(answer.process);
    state.answers++;
    setTimeout(talk, 100, socket, client);
  });
}

function isUpgraded(socket) {
  return socket.connected && socket.io.engine.transport.name === "websocket";
}

function start() {
  const client = { sent: 0, process: undefined };
  const socket = io(url, { transports: ["polling", "websocket"], withCredentials: true,
                           forceNew: true, reconnection: false, timeout: 60000 });
  sockets.push(socket);
  socket.on("connect", () => {
    state.connected++;
    talk(socket, client);
  });
  socket.on("connect_error", (error) => {
    state.errors.push(`connect: ${error.message} ${error.description ?? ""}`);
  });
  socket.on("disconnect", (reason) => state.disconnects.push(reason));
}

for (let i = 0; i < count; i++) setTimeout(start, 4 * i);
createInterface({ input: process.stdin }).on("line", (command) => {
  if (command === "report") {
    const upgraded = sockets.filter((socket) => isUpgraded(socket)).length;
    console.log(JSON.stringify({ ...state, upgraded, processes: processes.size }));
  } else {
    for (const socket of sockets) socket.disconnect();
    process.exit(0);
  }
});
