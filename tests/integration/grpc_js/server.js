// A gRPC server. Prints its port; any line on its standard input is answered with what it has seen.
const grpc = require("@grpc/grpc-js");
const service = require("./service");

const seen = { calls: 0, hanging: 0, cancelled: 0 };
const hang = (call) => {
  seen.hanging += 1;
  call.on("cancelled", () => { seen.cancelled += 1; });
};

const server = new grpc.Server({ "grpc.max_receive_message_length": 16 << 20 });
server.addService(service, {
  Unary(call, answer) {
    seen.calls += 1;
    const trailers = new grpc.Metadata();
    for (const value of call.metadata.get("x-echo-bin")) trailers.add("t-echo-bin", value);
    answer(null, call.request, trailers);
  },
  Collect(call, answer) {
    const messages = [];
    call.on("data", (message) => messages.push(message));
    call.on("end", () => answer(null, Buffer.from(messages.join("|"))));
  },
  Count(call) {
    for (let number = 0; number < Number(call.request); number += 1) call.write(Buffer.from(String(number)));
    call.end();
  },
  Talk(call) {
    call.on("data", (message) => call.write(Buffer.concat([Buffer.from("re: "), message])));
    call.on("end", () => call.end());
  },
  Fail(call, answer) {
    answer({ code: grpc.status.ABORTED, details: "100 % größe" });
  },
  Hang: hang,
  HangAfterOne(call) {
    hang(call);
    call.write(Buffer.from("one"));
  },
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
process.stdin.on("data", () => console.log(JSON.stringify(seen)));
