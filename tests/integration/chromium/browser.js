// Chromium on a page of the site whose port is given, with the hash of the key that it is to trust. Each
// line on the standard input names an exercise and the folder of the target that it is for; the answer is
// a line of JSON. "end" closes the browser.
const readline = require("node:readline");
const { chromium } = require("playwright-core");

const [program, port, key] = process.argv.slice(2);
const patience = 60_000;  // milliseconds

// What runs in the page.
const exercises = {
  async fetches(folder) {
    const paths = Array.from({ length: 100 }, (_, i) => `/${folder}/item/${i}`);
    const texts = await Promise.all(paths.map(async (path) => (await fetch(path)).text()));
    const entries = performance.getEntriesByType("resource").filter(
      (each) => new URL(each.name).pathname.startsWith(`/${folder}/item/`));
    return {
      right: texts.filter((text, i) => text === `item ${i} `.repeat(1000)).length,
      protocols: entries.map((each) => each.nextHopProtocol),
    };
  },
  async post(folder) {
    const body = new Uint8Array(300_000).map((_, i) => i * 7 + (i >> 8));
    const answer = await fetch(`/${folder}/echo`, { method: "POST", body });
    const got = new Uint8Array(await answer.arrayBuffer());
    return { status: answer.status,
             same: got.length === body.length && got.every((each, i) => each === body[i]) };
  },
  events(folder) {
    const next = () => fetch(`/${folder}/next`, { method: "POST" });
    return new Promise((resolve) => {
      const seen = [];
      const source = new EventSource(`/${folder}/events`);
      source.onopen = next;
      source.onerror = () => resolve({ seen, error: true });
      source.onmessage = ({ data }) => {
        seen.push(data);
        if (seen.length < 5) return next();
        source.close();
        resolve({ seen });
      };
    });
  },
  socket(folder) {
    return new Promise((resolve) => {
      const large = new Uint8Array(1 << 20).map((_, i) => i * 13 + (i >> 10));
      const socket = new WebSocket(`wss://${location.host}/${folder}/socket`);
      const seen = [];
      socket.binaryType = "arraybuffer";
      socket.onopen = () => socket.send("größe");
      socket.onmessage = ({ data }) => {
        if (typeof data === "string") {
          seen.push(data);
          return socket.send(large);
        }
        const got = new Uint8Array(data);
        seen.push(got.length === large.length && got.every((each, i) => each === large[i]));
        socket.send("close please");
      };
      socket.onerror = () => seen.push("error");
      socket.onclose = ({ code, reason, wasClean }) => resolve({ seen, code, reason, wasClean });
    });
  },
};

const tooLate = () => new Promise((resolve) => {
  setTimeout(() => resolve({ failure: `nothing within ${patience} ms` }), patience);
});

async function main() {
  const browser = await chromium.launch({
    timeout: patience,
    executablePath: program,
    args: [
      "--no-sandbox",  // as root there is none
      `--ignore-certificate-errors-spki-list=${key}`,
      "--host-resolver-rules=MAP site.test 127.0.0.1",
    ],
  });
  const page = await browser.newPage();
  await page.goto(`https://site.test:${port}/http1/page`, { timeout: patience });
  console.log(browser.version());
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, folder] = line.split(" ");
    if (name === "end") break;
    const result = await Promise.race([page.evaluate(exercises[name], folder), tooLate()]);
    console.log(JSON.stringify(result));
  }
  await browser.close();
  process.exit(0);  // the standard input is still open
}

main().catch((failure) => {
  console.error(failure);
  process.exit(1);
});
