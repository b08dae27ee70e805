// next.test.js: what the Next integration stands on: each request that a server of the process gets, once. With Next itself: tests/integration/site_test.c.
'use strict';

const assert = require('node:assert/strict');
const http = require('node:http');
const { test } = require('node:test');
const express = require('express');
const tally = require('../lib/index.js');
const { register } = require('../lib/next.js');
const { collector, listening, send } = require('./support/servers.js');

test('each request once, whatever answers it, with a middleware beside it too', async () => {
  const taken = await collector();
  const server = http.createServer((req, res) => (req.url === '/none' ? res.writeHead(404).end() : res.end('plain')));
  const port = await listening(server); // it was there before
  const next = register({ collect: taken.url, signals: false, closeMs: 60_000, answerMs: 60_000 });
  assert.equal(register({ collect: taken.url }), next);
  const middleware = tally({ collect: taken.url, signals: false, closeMs: 60_000, answerMs: 60_000 });
  const app = express().use(middleware).get('/app', (req, res) => res.send('app'));
  const other = http.createServer(app);
  const otherPort = await listening(other);
  await send(port, { path: '/a?password=x' });
  await send(port, { path: '/none', method: 'POST', body: 'x' });
  await send(otherPort, { path: '/app' });
  await next.close();
  await middleware.close();
  await send(port, { path: '/after' });
  const seen = taken.events.map(({ method, url, status, bytes }) => [method, url, status, bytes]);
  assert.deepEqual(seen, [['GET', '/a?password=[redacted]', 200, 5], ['POST', '/none', 404, null], ['GET', '/app', 200, 3]]);
  server.close();
  other.close();
  await taken.close();
});

test('requests that are there before it are logged too, and what has been answered is not', async () => {
  const taken = await collector();
  let next;
  const waiting = [];
  const server = http.createServer((req, res) => {
    if (req.url === '/before') return res.end('answered');
    waiting.push(res);
    if (waiting.length === 2) {
      next = register({ collect: taken.url, signals: false, closeMs: 60_000, answerMs: 60_000 });
      for (const each of waiting) each.end('late');
    }
  });
  const port = await listening(server);
  await send(port, { path: '/before' });
  await Promise.all([send(port, { path: '/1' }), send(port, { path: '/2' })]);
  await next.close();
  assert.deepEqual(taken.events.map((event) => event.url).sort(), ['/1', '/2']);
  server.close();
  await taken.close();
});

test('nothing of the collector itself is logged, nor a loop made', async () => {
  const taken = await collector();
  const server = http.createServer((req, res) => res.end('plain'));
  const port = await listening(server);
  const next = register({ collect: taken.url, signals: false, closeMs: 60_000, answerMs: 60_000 });
  await send(port, { path: '/a' });
  await next.flush();
  await next.flush();
  assert.deepEqual([taken.events.length, next.counts().received], [1, 1]); // the collector is a server of this process, at 127.0.0.1
  await next.close();
  server.close();
  await taken.close();
});

test('the modules of both kinds are one', async () => {
  const esm = await import('../lib/index.mjs');
  assert.equal(esm.default, tally);
  assert.equal(esm.tally, tally);
  assert.equal((await import('../lib/next.mjs')).register, register);
});
