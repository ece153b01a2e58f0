// No peer: undici alone, so many loops as requests may be in flight. The ceiling of both Node peers.

import { main } from "./harness.mjs";

await main({
  async fill() {},

  async work(dsn, handle, concurrency, gauge) {
    let number = 0;
    const oneAfterTheOther = async () => {
      while (number < gauge.jobs) await handle(number++);
    };
    await Promise.all(Array.from({ length: concurrency }, oneAfterTheOther));
    await gauge.over;
  },
});
