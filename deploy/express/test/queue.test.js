// queue.test.js: the site comes first: whatever the collector does, requests are answered, memory is bounded, and the sum holds.
'use strict';

const assert = require('node:assert/strict');
const http = require('node:http');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { test } = require('node:test');
const express = require('express');
const tally = require('../lib/index.js');
const { collector, listening, send, until } = require('./support/servers.js');

async function site(options, log = []) {
  const middleware = tally({ signals: false, closeMs: 60_000, log: (line) => log.push(line), ...options });
  const app = express();
  app.use(middleware);
  app.get(/.*/, (req, res) => res.send('ok'));
  const server = http.createServer(app);
  const port = await listening(server);
  return { middleware, port, close: () => server.close() };
}

function assertSum({ received, delivered, rejected, dropped, queued }) {
  assert.equal(received, delivered + rejected + dropped + queued);
}

test('a collector that never answers delays nothing', async () => {
  let let_go;
  const silent = await collector(() => new Promise((resolve) => (let_go = resolve)));
  const { middleware, port, close } = await site({ collect: silent.url });
  for (let i = 0; i < 50; i++) assert.equal((await send(port, { path: `/${i}` })).text, 'ok');
  await until(() => silent.requests.length === 1); // it has been asked, and says nothing
  for (let i = 0; i < 50; i++) assert.equal((await send(port, { path: `/${i}` })).text, 'ok');
  assert.equal(middleware.counts().delivered, 0);
  assertSum(middleware.counts());
  let_go();
  await until(() => silent.requests.length === 2);
  let_go();
  await middleware.flush();
  assert.deepEqual(middleware.counts(), { received: 100, delivered: 100, rejected: 0, dropped: 0, queued: 0 });
  close();
  await silent.close();
});

test('the handler has answered before the event is handed over', async () => {
  const order = [];
  const taken = await collector(() => void order.push('collected'));
  const { middleware, port, close } = await site({ collect: taken.url });
  await send(port);
  order.push('answered');
  await middleware.flush();
  assert.deepEqual(order, ['answered', 'collected']);
  close();
  await taken.close();
});

test('a collector that is away: events wait, in order, up to the bound; what is beyond it is dropped and counted', async () => {
  const gone = await collector();
  await gone.close();
  const log = [];
  const { middleware, port, close } = await site({ collect: gone.url, maxEvents: 20 }, log);
  for (let i = 0; i < 30; i++) assert.equal((await send(port, { path: `/${i}` })).status, 200);
  assert.deepEqual(middleware.counts(), { received: 30, delivered: 0, rejected: 0, dropped: 10, queued: 20 });
  await until(() => log.some((line) => line.includes('cannot be reached')));
  const back = http.createServer(async (req, res) => {
    const parts = [];
    for await (const part of req) parts.push(part);
    back.events = JSON.parse(Buffer.concat(parts).toString());
    res.writeHead(204).end();
  });
  back.listen(gone.port, '127.0.0.1');
  await once(back, 'listening');
  await middleware.flush();
  assert.deepEqual(back.events.map((event) => event.url), Array.from({ length: 20 }, (_, i) => `/${i}`));
  assert.deepEqual(middleware.counts(), { received: 30, delivered: 20, rejected: 0, dropped: 10, queued: 0 });
  assert.equal(log.filter((line) => line.includes('cannot be reached')).length, 1);
  assert.ok(log.includes('tally: events are taken again'));
  await middleware.close();
  close();
  back.closeAllConnections();
  back.close();
});

test('memory is bounded too', async () => {
  const gone = await collector();
  await gone.close();
  const { middleware, port, close } = await site({ collect: gone.url, maxBytes: 17_000 });
  for (let i = 0; i < 10; i++) await send(port, { path: `/${'x'.repeat(4000)}` });
  const { queued, dropped } = middleware.counts();
  assert.equal(queued + dropped, 10);
  assert.ok(queued >= 3 && queued <= 4, `${queued} events`); // 4,000 of url and some of the rest each
  close();
  await until(() => true);
});

test('a server that fails is asked again with the same events; one that refuses is not', async () => {
  let fails = 2;
  const flaky = await collector(() => (fails-- > 0 ? { status: 503 } : undefined));
  const first = await site({ collect: flaky.url });
  await send(first.port);
  await first.middleware.flush();
  assert.equal(flaky.batches.length, 3);
  assert.equal(new Set(flaky.batches.map(([event]) => event.event_id)).size, 1);
  assert.equal(first.middleware.counts().delivered, 1);
  first.close();
  await flaky.close();

  for (const status of [401, 403, 413, 415]) {
    const log = [];
    const strict = await collector(() => ({ status }));
    const { middleware, port, close } = await site({ collect: strict.url }, log);
    for (let i = 0; i < 2; i++) {
      await send(port);
      await middleware.flush();
    }
    assert.equal(strict.batches.length, 2);
    assert.deepEqual(middleware.counts(), { received: 2, delivered: 0, rejected: 2, dropped: 0, queued: 0 });
    assert.deepEqual(log, [`tally: the collector ${strict.url} refuses events: ${status}`]);
    close();
    await strict.close();
  }
});

test('of a batch the good events count', async () => {
  const log = [];
  const picky = await collector(() => ({ status: 400, body: '{"accepted":2,"rejected":[{"index":1,"reason":"url: too long"}]}' }));
  const { middleware, port, close } = await site({ collect: picky.url }, log);
  for (let i = 0; i < 3; i++) await send(port);
  await middleware.flush();
  assert.equal(picky.batches.length, 1);
  assert.deepEqual(middleware.counts(), { received: 3, delivered: 2, rejected: 1, dropped: 0, queued: 0 });
  assert.match(log[0], /400: url: too long/);
  close();
  await picky.close();
});

test('batches are as large as a collector takes, and smaller where it takes less', async () => {
  const MAX = 100_000;
  const small = await collector((events) => (JSON.stringify(events).length > MAX ? { status: 413 } : undefined));
  const { middleware, port, close } = await site({ collect: small.url });
  for (let i = 0; i < 100; i++) await send(port, { path: `/${'x'.repeat(8000)}`, headers: { cookie: '"'.repeat(100), 'x-long': '\\"'.repeat(1000) } });
  await middleware.flush();
  assert.deepEqual(middleware.counts(), { received: 100, delivered: 100, rejected: 0, dropped: 0, queued: 0 });
  for (const batch of small.batches) assert.ok(JSON.stringify(batch).length <= 256 * 1024);
  assert.equal(new Set(small.events.map((event) => event.event_id)).size, 100);
  close();
  await small.close();
});

test('one connection serves all batches', async () => {
  const taken = await collector();
  const { middleware, port, close } = await site({ collect: taken.url });
  for (let i = 0; i < 5; i++) {
    await send(port);
    await middleware.flush();
  }
  assert.deepEqual([taken.batches.length, taken.connections], [5, 1]);
  await middleware.close();
  close();
  await taken.close();
});

test('after close events are dropped and counted', async () => {
  const taken = await collector();
  const { middleware, port, close } = await site({ collect: taken.url });
  await middleware.close();
  assert.equal((await send(port)).text, 'ok');
  assert.deepEqual(middleware.counts(), { received: 1, delivered: 0, rejected: 0, dropped: 1, queued: 0 });
  close();
  await taken.close();
});

test('options that mean nothing are told when the site starts', () => {
  const collect = 'http://127.0.0.1:8080/tally/collect';
  assert.throws(() => tally({}), /collect: the collector's address/);
  assert.throws(() => tally({ collect: 'nonsense' }), /'nonsense' is no address/);
  assert.throws(() => tally({ collect, colect: 'x' }), /colect: there is no such option/);
  assert.throws(() => tally({ collect, exclude: '/admin' }), /exclude: it is to be a list/);
  assert.throws(() => tally({ collect, trustProxy: ['10.0.0.0/40'] }), /'10\.0\.0\.0\/40' is no network/);
});

for (const how of ['SIGTERM', 'SIGTERM, and the site listens too', 'process.exit', 'an uncaught error'])
  test(`what is queued reaches the collector at the end: ${how}`, async () => {
    const taken = await collector();
    const child = spawn(process.execPath, [path.join(__dirname, 'support', 'site.js'), taken.url, how], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [line] = await once(child.stdout, 'data');
    for (let i = 0; i < 3; i++) await send(Number(line), { path: `/${i}` });
    const ended = once(child, 'exit');
    if (how.startsWith('SIGTERM')) child.kill('SIGTERM');
    else await send(Number(line), { path: '/end' }).catch(() => {});
    const [code, signal] = await ended;
    // A batch that is under way at the end goes once more, with the same ids.
    const byId = new Map(taken.events.filter((event) => event.url !== '/end').map((event) => [event.event_id, event.url]));
    assert.deepEqual([...byId.values()], ['/0', '/1', '/2']);
    const expected = { SIGTERM: [null, 'SIGTERM'], 'SIGTERM, and the site listens too': [0, null], 'process.exit': [4, null], 'an uncaught error': [1, null] };
    assert.deepEqual([code, signal], expected[how]);
    await taken.close();
  });
