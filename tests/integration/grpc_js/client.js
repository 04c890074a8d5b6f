// A gRPC client of the address it is given. Each line on its standard input is the name of an exercise,
// answered with a line of JSON: what came of it.
const readline = require("node:readline");
const grpc = require("@grpc/grpc-js");
const service = require("./service");

const Client = grpc.makeGenericClientConstructor(service, "Echo");
const client = new Client(process.argv[2], grpc.credentials.createInsecure(), {
  "grpc.max_receive_message_length": 16 << 20, "grpc.enable_retries": 0,
});
const within = (seconds) => ({ deadline: Date.now() + 1000 * seconds });
const patience = () => within(60);

const answered = (begin) => new Promise((resolve) => {
  const call = begin((error, answer) => {
    resolve(error ? { code: error.code, details: error.details } : { answer: answer.toString() });
  });
  return call;
});
// All messages of a stream, and its status.
const collected = (call, onMessage = () => {}) => new Promise((resolve) => {
  const messages = [];
  call.on("data", (message) => { messages.push(message.toString()); onMessage(messages.length); });
  call.on("error", () => {});
  call.on("status", ({ code, details }) => resolve({ messages, code, details }));
});

const exercises = {
  unary: () => answered((done) => client.Unary(Buffer.from("hello"), patience(), done)),
  metadata: () => new Promise((resolve) => {
    const metadata = new grpc.Metadata();
    metadata.set("x-echo-bin", Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
    const call = client.Unary(Buffer.alloc(0), metadata, patience(), () => {});
    call.on("status", (status) => resolve({ code: status.code,
                                            echo: status.metadata.get("t-echo-bin")[0].toString("hex") }));
  }),
  async large() {
    const message = Buffer.alloc(3 << 20, "large");
    const { answer, ...failure } = await answered((done) => client.Unary(message, patience(), done));
    return { same: answer === message.toString(), ...failure };
  },
  async many() {
    const calls = Array.from({ length: 1000 }, (_, number) =>
      answered((done) => client.Unary(Buffer.from(String(number)), patience(), done)));
    const answers = await Promise.all(calls);
    return { right: answers.filter(({ answer }, number) => answer === String(number)).length };
  },
  collect: () => answered((done) => {
    const call = client.Collect(patience(), done);
    for (let number = 0; number < 100; number += 1) call.write(Buffer.from(String(number)));
    call.end();
  }),
  count: () => collected(client.Count(Buffer.from("100"), patience())),
  talk() {
    const call = client.Talk(patience());
    const next = (number) => (number < 50 ? call.write(Buffer.from(String(number))) : call.end());
    next(0);
    return collected(call, next);
  },
  fail: () => answered((done) => client.Fail(Buffer.alloc(0), patience(), done)),
  deadline: () => answered((done) => client.Hang(Buffer.alloc(0), within(1), done)),
  cancel() {
    const call = client.HangAfterOne(Buffer.alloc(0), patience());
    return collected(call, () => call.cancel());
  },
};

readline.createInterface({ input: process.stdin }).on("line", async (name) => {
  console.log(JSON.stringify(await exercises[name]()));
});
