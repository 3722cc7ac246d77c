// The limiters of npm, measured as the Rust side measures its own: bench.mjs speed|target PORT memory|fsync
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import Bottleneck from 'bottleneck';
import { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';

const [part, port, durable] = process.argv.slice(2);
const redis = new Redis(Number(port), '127.0.0.1');
const LENGTH = 3_000;

const only = process.env.ROLLCALL_BENCH_IN_FLIGHT?.split(',').map(Number);

async function speed(peer, ask) {
  for (const inFlight of [1, 16, 64, 256]) {
    if (only && !only.includes(inFlight)) continue;
    const times = [];
    const started = performance.now();
    await Promise.all(
      Array.from({ length: inFlight }, async () => {
        while (performance.now() - started < LENGTH) {
          const asked = performance.now();
          await ask();
          times.push(performance.now() - asked);
        }
      }),
    );
    const seconds = (performance.now() - started) / 1_000;
    times.sort((a, b) => a - b);
    const at = (share) => times[Math.floor((times.length - 1) * share)];
    console.log(
      JSON.stringify({
        bench: 'speed', peer, durable, in_flight: inFlight,
        per_second: times.length / seconds, p50_ms: at(0.5), p99_ms: at(0.99),
      }),
    );
  }
}

async function target(peer, waitFor) {
  const LIMIT = 100;
  const WINDOW = 3_000;
  const arrivals = [];
  const started = performance.now();
  const delay = () => sleep(20 + Math.random() * 300);
  await Promise.all(
    Array.from({ length: 24 }, async () => {
      while (performance.now() - started < 18_000) {
        await waitFor();
        await delay();
        arrivals.push(performance.now() - started);
        await delay();
      }
    }),
  );
  arrivals.sort((a, b) => a - b);
  const most = Math.max(...arrivals.map((at, n) => arrivals.slice(n).filter((later) => later < at + WINDOW).length));
  const accepted = [];
  let refusedRolling = 0;
  for (const at of arrivals) {
    if (accepted.filter((earlier) => earlier + WINDOW > at).length < LIMIT) accepted.push(at);
    else refusedRolling += 1;
  }
  let refusedFixed = 0;
  for (let phase = 0; phase < 60; phase += 1) {
    const counts = new Map();
    for (const at of arrivals) {
      const index = Math.floor((at + (WINDOW * phase) / 60) / WINDOW);
      counts.set(index, (counts.get(index) ?? 0) + 1);
    }
    const refused = [...counts.values()].reduce((sum, count) => sum + Math.max(0, count - LIMIT), 0);
    refusedFixed = Math.max(refusedFixed, refused);
  }
  console.log(
    JSON.stringify({
      bench: 'target', peer, sent: arrivals.length, limit: LIMIT, most,
      refused_rolling: refusedRolling, refused_fixed: refusedFixed,
    }),
  );
}

const bottleneck = (options) =>
  new Bottleneck({
    // Left at its five seconds it would refill a reservoir later than it is told to, and use two thirds of the limit.
    heartbeatInterval: 250,
    datastore: 'ioredis', clearDatastore: true, id: `${part}-${durable}`, Redis,
    clientOptions: { port: Number(port), host: '127.0.0.1' }, ...options,
  });

if (part === 'speed') {
  const flexible = new RateLimiterRedis({ storeClient: redis, points: 1_000_000_000, duration: 60 });
  await speed('npm rate-limiter-flexible', () => flexible.consume('speed', 1));
  if (!only) {
    const bottle = bottleneck({});
    await bottle.ready();
    await speed('npm bottleneck, clustered', () => bottle.schedule(async () => {}));
    await bottle.disconnect();
  }
} else {
  const flexible = new RateLimiterRedis({ storeClient: redis, points: 100, duration: 3, keyPrefix: 'target' });
  await target('npm rate-limiter-flexible', async () => {
    for (;;) {
      try {
        await flexible.consume('target', 1);
        return;
      } catch (refusal) {
        if (refusal instanceof Error) throw refusal;
        await sleep(Math.min(refusal.msBeforeNext ?? 20, 20));
      }
    }
  });
  const bottle = bottleneck({ reservoir: 100, reservoirRefreshAmount: 100, reservoirRefreshInterval: 3_000 });
  await bottle.ready();
  await target('npm bottleneck, clustered', () => bottle.schedule(async () => {}));
  await bottle.disconnect();
}
await redis.quit();
process.exit(0);
