// pg-boss.
//
// Chosen, from its documentation of work(): two workers with batches of 250, so that one completes while the other works,
// and a gate of the asked concurrency over both (in batches of 25 without a gate, each waiting for its slowest job, the
// drain with an API made 1,120 jobs a second). A batch is completed whole, in one statement; so one failure fails it
// whole, which is the price. notifyWorker(), its way round the polling interval, after each batch; idle it polls every
// 0.5 s, the shortest that it takes: it has no LISTEN. Its supervisor and its clock are off: there is nothing scheduled,
// and the runs end before anything would be archived.
//
// Version 10 is the last that takes node 20.

import { gate, main, require } from "./harness.mjs";

const PgBoss = require("pg-boss");

const FILL = 1000;
const QUEUE = "bench";
const BATCH = 250;
const WORKERS = 2;

await main({
  left: "SELECT count(*) FROM pgboss.job WHERE name = 'bench' AND state < 'completed'",

  async fill(dsn, jobs) {
    const boss = await open(dsn);
    await boss.createQueue(QUEUE);
    for (let first = 0; first < jobs; first += FILL) {
      const numbers = Array.from({ length: Math.min(FILL, jobs - first) }, (_, index) => first + index);
      await boss.insert(numbers.map((number) => ({ name: QUEUE, data: { number } })));
    }
    await boss.stop({ graceful: false });
  },

  async work(dsn, handle, concurrency, gauge) {
    const boss = await open(dsn);
    const gated = gate(handle, concurrency);
    for (let index = 0; index < WORKERS; index += 1) {
      let id = null;
      id = await boss.work(QUEUE, { batchSize: BATCH, pollingIntervalSeconds: 0.5 }, async (jobs) => {
        await Promise.all(jobs.map((job) => gated(job.data.number)));
        if (id !== null) boss.notifyWorker(id);
      });
      boss.notifyWorker(id);
    }
    await gauge.over;
    await boss.stop({ graceful: false });
  },

  async open(dsn) {
    const boss = await open(dsn);
    return { send: (number) => boss.send(QUEUE, { number }) };
  },
});

async function open(dsn) {
  const boss = new PgBoss({ connectionString: dsn, supervise: false, schedule: false });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  return boss;
}
