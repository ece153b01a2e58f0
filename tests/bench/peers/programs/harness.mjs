// What both Node peers' programs share; the commands and what is printed are those of harness.py, whose head says them.
//
// The packages stand outside the repository, in the folder that $PEERS_NPM names: an import would look beside this file.

import { createRequire } from "node:module";
import { join } from "node:path";
import readline from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

export const require = createRequire(join(process.env.PEERS_NPM ?? process.cwd(), "package.json"));

const WATCH_MILLISECONDS = 5;
const WARM_UP = 5;

// CLOCK_MONOTONIC, as Python's time.monotonic_ns().
const now = () => process.hrtime.bigint();

const say = (message) => console.log(JSON.stringify(message, (_, value) => (typeof value === "bigint" ? Number(value) : value)));

// As harness.py's.
const customer = (number) => ({
  display_name: `Anna Meadow [CT-${number}]`,
  currency_code: "ZAR",
  first_name: "Anna",
  last_name: "Meadow",
  phone: "+27 21 555 0101",
  email: `${number}@example.com`,
});

class Gauge {
  constructor(jobs) {
    this.jobs = jobs;
    this.calls = 0;
    this.numbers = new Set();
    this.handled = new Promise((resolve) => (this.allHandled = resolve));
    this.over = new Promise((resolve) => (this.allSettled = resolve));
  }

  begun() {
    this.calls += 1;
    this.first ??= now();
  }

  ended(number) {
    this.numbers.add(number);
    if (this.numbers.size === this.jobs && this.last === undefined) {
      this.last = now();
      this.allHandled();
    }
  }
}

// peer: { left, fill(dsn, jobs), work(dsn, handle, concurrency, gauge, options), open(dsn) → { send(number), close() } }
export async function main(peer) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      dsn: { type: "string" },
      jobs: { type: "string", default: "0" },
      concurrency: { type: "string", default: "50" },
      api: { type: "string" },
      samples: { type: "string", default: "0" },
      seconds: { type: "string", default: "60" },
      "shortest-pause": { type: "string", default: "0.02" },
      "longest-pause": { type: "string", default: "0.12" },
    },
  });
  const jobs = Number(values.jobs);
  const concurrency = Number(values.concurrency);
  switch (positionals[0]) {
    case "fill":
      return await peer.fill(values.dsn, jobs);
    case "drain":
      return await drain(peer, values.dsn, jobs, concurrency, values.api);
    case "listen":
      return await peer.work(
        values.dsn,
        async (number) => say({ number, at: now() }),
        concurrency,
        new Gauge(-1),
      );
    case "send":
      return await send(peer, values);
    default:
      throw new Error(`no command ${positionals[0]}`);
  }
}

function handler(gauge, api, concurrency) {
  if (api === undefined) {
    return async (number) => {
      gauge.begun();
      gauge.ended(number);
    };
  }
  // undici alone, of which Node's own fetch is a slower dress.
  const { Pool } = require("undici");
  const { origin, pathname } = new URL(api);
  const pool = new Pool(origin, { connections: concurrency });
  return async (number) => {
    gauge.begun();
    const { statusCode, body } = await pool.request({
      path: pathname,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(customer(number)),
    });
    await body.json();
    if (statusCode !== 201) throw new Error(`status ${statusCode}`);
    gauge.ended(number);
  };
}

// handle, at most so many at once, for a peer that hands out whole batches.
export function gate(handle, concurrency) {
  let free = concurrency;
  const waiting = [];
  return async (number) => {
    if (free > 0) free -= 1;
    else await new Promise((resolve) => waiting.push(resolve));
    try {
      await handle(number);
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

async function drain(peer, dsn, jobs, concurrency, api) {
  const gauge = new Gauge(jobs);
  const before = cpuSeconds();
  gauge.started = now();
  const working = peer.work(dsn, handler(gauge, api, concurrency), concurrency, gauge);
  await Promise.race([watch(peer, dsn, gauge), working.then(() => Promise.reject(new Error("the worker ended by itself")))]);
  say({
    jobs,
    calls: gauge.calls,
    started: gauge.started,
    first: gauge.first,
    last: gauge.last,
    settled: gauge.settled,
    cpu_seconds: cpuSeconds() - before,
  });
  gauge.allSettled();
  await Promise.race([working, pause(10_000, undefined, { ref: false })]);
  process.exit(0);
}

function cpuSeconds() {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  return (userCPUTime + systemCPUTime) / 1e6;
}

async function watch(peer, dsn, gauge) {
  await gauge.handled;
  if (peer.left === undefined) {
    gauge.settled = now();
    return;
  }
  const { Client } = require("pg");
  const client = new Client({ connectionString: dsn });
  await client.connect();
  for (;;) {
    const { rows } = await client.query(peer.left);
    if (Number(rows[0].count) === 0) break;
    await pause(WATCH_MILLISECONDS);
  }
  gauge.settled = now();
  await client.end();
}

async function send(peer, values) {
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const shortest = 1000 * Number(values["shortest-pause"]);
  const longest = 1000 * Number(values["longest-pause"]);
  const fromCall = [];
  const fromCommit = [];
  const sender = await peer.open(values.dsn);
  const end = performance.now() + 1000 * Number(values.seconds);
  for (let number = 0; number < WARM_UP + Number(values.samples); number += 1) {
    await pause(shortest + Math.random() * (longest - shortest));
    const before = now();
    await sender.send(number);
    const after = now();
    const at = await momentOf(number, lines);
    if (number < WARM_UP) continue;
    fromCall.push(at - Number(before));
    fromCommit.push(at - Number(after));
    if (performance.now() > end) break;
  }
  say({ from_call: fromCall, from_commit: fromCommit });
  process.exit(0);
}

async function momentOf(number, lines) {
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error("the worker ended");
    const told = JSON.parse(value);
    if (told.number === number) return told.at;
  }
}
