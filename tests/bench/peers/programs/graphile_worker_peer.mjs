// graphile-worker.
//
// Chosen, from its page on performance: a local queue of 500 jobs, completions gathered for 10 ms (with the page's 0 ms
// the drain with an API made 1,710 in place of 1,890 jobs a second), a pool of concurrency + 2 connections, prepared
// statements as by default, no log. A local queue of 1,000 made 30,000 in place of 19,000 with nothing to do; all peers
// that can claim ahead are given 500.

import { main, require } from "./harness.mjs";

const { Logger, makeWorkerUtils, run } = require("graphile-worker");

const FILL = 1000;
const silent = new Logger(() => () => {});

await main({
  left: "SELECT count(*) FROM graphile_worker._private_jobs",

  async fill(dsn, jobs) {
    const utils = await makeWorkerUtils({ connectionString: dsn, logger: silent });
    await utils.migrate();
    for (let first = 0; first < jobs; first += FILL) {
      const numbers = Array.from({ length: Math.min(FILL, jobs - first) }, (_, index) => first + index);
      await utils.addJobs(numbers.map((number) => ({ identifier: "handle", payload: { number } })));
    }
    await utils.release();
  },

  async work(dsn, handle, concurrency, gauge) {
    const runner = await run({
      preset: {
        worker: {
          connectionString: dsn,
          concurrentJobs: concurrency,
          maxPoolSize: concurrency + 2,
          localQueue: { size: 500 },
          completeJobBatchDelay: 10,
          failJobBatchDelay: 0,
          logger: silent,
        },
      },
      taskList: { handle: async ({ number }) => handle(number) },
      noHandleSignals: true,
      parsedCronItems: [],
    });
    await gauge.over;
    await runner.stop();
  },

  async open(dsn) {
    const utils = await makeWorkerUtils({ connectionString: dsn, logger: silent });
    return { send: (number) => utils.addJob("handle", { number }) };
  },
});
