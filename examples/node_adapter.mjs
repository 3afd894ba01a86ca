// A careful client of both providers on fetch, and its adapter:
//
//     understudy check --client-command "node node_adapter.mjs"
//
// Node 20 or later, and no packages. The protocol is that of docs/client-protocol.md.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createInterface } from "node:readline";

const TRIES = 5; // how often a poll is sent, at most, when it goes wrong
const OLD = 300; // seconds after which a webhook is not believed any more

const STATES = {
  created: "queued",
  in_queue: "queued",
  processing: "running",
  in_progress: "running",
  completed: "succeeded",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
  timeout: "timed_out",
};

class ClientError extends Error {}

/** There was no answer, or none that can be read: whoever only looks may ask again, after `wait` seconds. */
class Lost extends ClientError {
  constructor(message, wait = 0) {
    super(message);
    this.wait = wait;
  }
}

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const goesOn = (state) => state === "queued" || state === "running";

class Client {
  constructor({ provider, origin, key, poll_interval, timeout }) {
    this.wavespeed = provider === "wavespeed";
    this.origin = origin;
    this.key = key;
    this.pollInterval = poll_interval;
    this.timeout = timeout;
  }

  /** Sent once: when the answer is lost, the job may exist, and cost money. */
  async submit(model, inputs) {
    const answer = await this.call("POST", this.wavespeed ? `/api/v3/${model}` : `/v1/models/${model}`, inputs);
    return text(answer, this.wavespeed ? "id" : "request_id");
  }

  /** RunComfy calls failed jobs `completed` too, so all that this says of those is that they have ended. */
  async status(job) {
    if (this.wavespeed) return (await this.result(job)).state;
    const state = stateOf(await this.patiently(`/v1/requests/${job}/status`));
    return state === "succeeded" ? "ended" : state;
  }

  async result(job) {
    const kind = this.wavespeed ? "/api/v3/predictions" : "/v1/requests";
    return this.read(await this.patiently(`${kind}/${job}/result`));
  }

  async run(model, inputs) {
    const until = Date.now() + this.timeout * 1000;
    const job = await this.submit(model, inputs);
    let outcome = { state: "queued" };
    while (goesOn(outcome.state)) {
      if (Date.now() > until) throw new ClientError(`${job} had not ended after ${this.timeout} s, and goes on`);
      await sleep(this.pollInterval);
      if (this.wavespeed || !goesOn(await this.status(job))) outcome = await this.result(job);
    }
    if (outcome.state !== "succeeded") throw new ClientError(`${job} ${outcome.state}: ${outcome.error || "no reason"}`);
    return outcome;
  }

  async cancel(job) {
    return text(await this.call("POST", `/v1/requests/${job}/cancel`), "outcome") === "cancelled";
  }

  /** First a ticket, then the bytes with the ticket's headers, and without the key. */
  async upload(name, data) {
    const ticket = await this.call("POST", "/api/v3/media/uploads", { filename: name, size: data.length });
    const { url, method, headers } = ticket.upload;
    await this.send(url, { method, headers, body: data });
    return text(ticket, "download_url");
  }

  webhook(headers, body, secret) {
    const key = secret.replace(/^whsec_/, "");
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    const expected = Buffer.from(`v3,${createHmac("sha256", key).update(signed).digest("hex")}`);
    const given = Buffer.from(headers["webhook-signature"]);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new ClientError("the webhook's signature is wrong");
    }
    if (Math.abs(Date.now() / 1000 - Number(headers["webhook-timestamp"])) > OLD) {
      throw new ClientError("the webhook is too old");
    }
    return this.read(JSON.parse(body));
  }

  read(answer) {
    const state = stateOf(answer);
    let outputs = [];
    let flags = [];
    if (state === "succeeded") {
      const held = (this.wavespeed ? answer : answer.output) ?? {};
      outputs = held.outputs ?? held.images ?? (held.image ? [held.image] : []);
      if (!Array.isArray(outputs) || outputs.length === 0 || !outputs.every((one) => typeof one === "string")) {
        throw new ClientError(`the job succeeded without outputs: ${JSON.stringify(answer)}`);
      }
      flags = answer.has_nsfw_contents ?? [];
      if (flags.length && flags.length !== outputs.length) {
        throw new ClientError(`there are ${outputs.length} outputs and ${flags.length} flags`);
      }
    }
    return { state, outputs, flags, error: answer.error ?? "" };
  }

  /** The answer to a poll, which is sent again when it goes wrong: the job goes on all the same. */
  async patiently(path) {
    for (let left = TRIES - 1; ; left--) {
      try {
        return await this.call("GET", path);
      } catch (error) {
        if (!(error instanceof Lost) || left === 0) throw error;
        await sleep(Math.max(error.wait, this.pollInterval));
      }
    }
  }

  /** What an answer holds, out of its envelope. */
  async call(method, path, body) {
    const headers = { Authorization: `Bearer ${this.key}`, "Content-Type": "application/json" };
    const content = await this.send(this.origin + path, { method, headers, body: body && JSON.stringify(body) });
    let answer;
    try {
      answer = JSON.parse(content);
    } catch {
      throw new Lost(`${method} ${path}: the answer is not JSON`);
    }
    if (answer === null || typeof answer !== "object") throw new ClientError(`${method} ${path}: ${content}`);
    if (!this.wavespeed) {
      if ("error_code" in answer) throw new ClientError(`${method} ${path}: ${answer.error_message}`);
      return answer;
    }
    if (answer.code !== 200 || answer.data === null || typeof answer.data !== "object") {
      throw new ClientError(`${method} ${path}: ${answer.message}`);
    }
    return answer.data;
  }

  async send(url, request) {
    let answer, content;
    try {
      answer = await fetch(url, { ...request, signal: AbortSignal.timeout(30_000) });
      content = await answer.text();
    } catch (error) {
      throw new Lost(`${request.method} ${url}: ${error.cause ?? error}`);
    }
    if (answer.ok) return content;
    const told = `${request.method} ${url}: HTTP ${answer.status} ${content.slice(0, 2000)}`;
    if (answer.status !== 429 && answer.status < 500) throw new ClientError(told);
    throw new Lost(told, seconds(answer.headers.get("retry-after")));
  }
}

/** How long a Retry-After says to wait: it is a number of seconds, or a date. */
function seconds(retryAfter) {
  if (retryAfter === null) return 0;
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter);
  return Math.max((Date.parse(retryAfter) - Date.now()) / 1000, 0) || 0;
}

function stateOf(answer) {
  const word = text(answer, "status");
  if (!Object.hasOwn(STATES, word)) throw new ClientError(`the provider said "${word}", which is not known`);
  return STATES[word];
}

function text(answer, name) {
  if (typeof answer[name] !== "string") throw new ClientError(`there is no ${name} in ${JSON.stringify(answer)}`);
  return answer[name];
}

const BOTH = ["submit", "status", "result", "run"];
const ONLY = { wavespeed: ["upload", "webhook"], runcomfy: ["cancel"] };

let client;

async function perform(asked) {
  switch (asked.call) {
    case "hello":
      return { protocol: 1, providers: Object.keys(ONLY) };
    case "open":
      client = new Client(asked.account);
      return { capabilities: [...BOTH, ...ONLY[asked.account.provider]] };
    case "submit":
    case "run":
      return client[asked.call](asked.model, asked.inputs);
    case "status":
    case "result":
    case "cancel":
      return client[asked.call](asked.job);
    case "upload":
      return client.upload(asked.name, Buffer.from(asked.data, "base64"));
    case "webhook":
      return client.webhook(asked.headers, asked.body, asked.secret);
    default:
      throw new TypeError(`there is no call ${asked.call}`);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let told;
  try {
    told = { id: asked.id, value: await perform(asked) };
  } catch (error) {
    const own = error instanceof ClientError;
    told = { id: asked.id, error: { type: error.constructor.name, message: error.message, own } };
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
