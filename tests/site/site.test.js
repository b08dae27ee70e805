// site.test.js: the whole anatomy with a real site: browser -> intercept -> log, and -> site -> database -> page. tests/integration/site_test.c runs it.
//
// TALLY_BIN: the program; TALLY_SITE: where the demo site is built; POSTGRES_URL: a server for the site's records.
'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { once } = require('node:events');
const { randomBytes } = require('node:crypto');
const { test } = require('node:test');
const { SITE, TOKEN, workspace, startSite, startIntercept, requestsOf, send, freePort } = require('./support.js');

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36';

/** A schema of its own for the site's records, and a way to look into it. */
async function records(t) {
  const pg = require(path.join(SITE, 'demo_site/node_modules/pg'));
  const schema = `site_${randomBytes(6).toString('hex')}`;
  const client = new pg.Client({ connectionString: process.env.POSTGRES_URL });
  await client.connect();
  t.after(async () => {
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await client.end();
  });
  const url = new URL(process.env.POSTGRES_URL);
  url.searchParams.set('schema', schema);
  return { url: url.href, query: async (text) => (await client.query(text.replace('{schema}', schema))).rows };
}

// What a browser does without JavaScript: the hidden fields of the form that Next has put there go along.
function actionOf(html) {
  const form = html.slice(html.lastIndexOf('<form'));
  const fields = [...form.matchAll(/<input type="hidden" name="([^"]*)"(?: value="([^"]*)")?/g)];
  return fields.map(([, name, value = '']) => [name, value.replaceAll('&quot;', '"').replaceAll('&amp;', '&')]);
}

async function multipart(fields) {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  const request = new Request('http://unused/', { method: 'POST', body: form });
  return { body: Buffer.from(await request.arrayBuffer()), type: request.headers.get('content-type') };
}

/** A visit: pages, two updates and an action, and what is not found. */
async function visit(port, headers) {
  const get = (target) => send(port, { path: target, headers });
  assert.match((await get('/?session=hunter2')).text, /The Art of Counting/);
  const before = (await get('/books/1')).text;
  assert.match(before, /Price: 19\.00/);
  const changed = await send(port, { method: 'POST', path: '/api/books/1', headers, body: 'price=20.50&stock=3' });
  assert.deepEqual([changed.status, changed.headers.location], [303, '/books/1']);
  const after = (await get('/books/1')).text;
  assert.match(after, /Price: 20\.50/);
  assert.match(after, /In stock: 3/);
  const made = await send(port, { method: 'POST', path: '/api/books', headers, body: 'title=Gr%C3%B6%C3%9Fe&author=A&price=1&stock=2' });
  assert.deepEqual([made.status, made.headers.location], [303, '/books/5']);
  assert.match((await get('/books/5')).text, /Größe/);
  const { body, type } = await multipart([...actionOf(before), ['reader', 'Ann'], ['words', 'well counted']]);
  const said = await send(port, { method: 'POST', path: '/books/1', headers: { ...headers, origin: 'http://shop.example.com', 'content-type': type }, body });
  assert.match(said.text, /Ann: well counted/);
  assert.equal((await get('/nowhere')).status, 404);
  assert.equal((await send(port, { method: 'POST', path: '/api/books/1', headers, body: 'price=x' })).status, 400);
  const [, script] = /src="(\/_next\/static\/[^"]*\.js)"/.exec(before);
  assert.equal((await get(script)).status, 200);
}

const VISIT = [
  ['GET', '/?session=[redacted]', 200], ['GET', '/books/1', 200], ['POST', '/api/books/1', 303], ['GET', '/books/1', 200], ['POST', '/api/books', 303],
  ['GET', '/books/5', 200], ['POST', '/books/1', 200], ['GET', '/nowhere', 404], ['POST', '/api/books/1', 400],
];
/** An answer that takes longer than 2 s, as the first one of a busy machine may, is not in its event. */
function assertVisit(rows) {
  assert.deepEqual(rows.map(({ method, url }, i) => [method, url, rows[i].status ?? VISIT[i]?.[2]]), VISIT);
}

test('intercept in front of a Next.js site with PostgreSQL', { skip: process.env.POSTGRES_URL ? false : 'POSTGRES_URL is not set' }, async (t) => {
  const space = workspace(t);
  const shop = await records(t);
  const site = await startSite(t, { DATABASE_URL: shop.url });
  const intercept = await startIntercept(t, space, '--upstream', `http://127.0.0.1:${site.port}`, '--trust-proxy', '127.0.0.1');
  await visit(intercept.port, { 'user-agent': CHROME, cookie: 'id=hunter2', 'x-forwarded-for': '203.0.113.7', referer: 'https://search.example/?q=books' });
  assert.deepEqual(await shop.query('SELECT cents, stock FROM {schema}.book WHERE id = 1'), [{ cents: 2050, stock: 3 }]);
  assert.deepEqual(await shop.query('SELECT words FROM {schema}.review'), [{ words: 'well counted' }]);
  assert.equal(await intercept.end(), 0);
  await site.end();

  const rows = requestsOf(space);
  assertVisit(rows);
  assert.equal(new Set(rows.map((row) => row.event_id)).size, VISIT.length);
  assert.doesNotMatch(JSON.stringify(rows), /hunter2/);
  for (const row of rows) {
    assert.deepEqual([row.host, row.ip, row.referrer], ['shop.example.com', '203.0.113.7', 'https://search.example/?q=books']);
    assert.deepEqual([JSON.parse(row.user_agent).family, JSON.parse(row.headers).cookie], ['Chrome', '[redacted]']);
  }
});

test('the same site with the middleware of its own, by way of the collector', async (t) => {
  const space = workspace(t);
  const intercept = await startIntercept(t, space, '--upstream', 'http://127.0.0.1:9');
  const site = await startSite(t, {
    SITE_DB: path.join(space.dir, 'site.db'), TALLY_COLLECT: `http://127.0.0.1:${intercept.port}/tally/collect`, TALLY_TOKEN: TOKEN, TALLY_TRUST_PROXY: 'loopback',
  });
  await visit(site.port, { 'user-agent': CHROME, cookie: 'id=hunter2', 'x-forwarded-for': '203.0.113.7', referer: 'https://search.example/?q=books' });
  await site.end(); // what is queued is sent first
  assert.equal(await intercept.end(), 0);

  const rows = requestsOf(space);
  assertVisit(rows);
  assert.equal(new Set(rows.map((row) => row.event_id)).size, VISIT.length);
  assert.doesNotMatch(JSON.stringify(rows), /hunter2/);
  for (const row of rows) {
    assert.deepEqual([row.host, row.ip, row.referrer], ['shop.example.com', '203.0.113.7', 'https://search.example/?q=books']);
    assert.deepEqual([JSON.parse(row.user_agent).family, JSON.parse(row.headers).cookie], ['Chrome', '[redacted]']);
    assert.equal(row.duration_ms === null, row.status === null);
  }
});

/** An Express site with the middleware in front of a collector, and behind intercept at the same time. */
async function expressSite(t, options) {
  const modules = path.join(SITE, 'express/node_modules');
  const express = require(path.join(modules, 'express'));
  const tally = require(path.join(SITE, 'express/lib/index.js'));
  const log = [];
  const middleware = tally({ signals: false, answerMs: 60_000, log: (line) => log.push(line), ...options });
  const app = express();
  app.use(middleware);
  app.get('/hello', (req, res) => res.send('hello'));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  return { port: server.address().port, middleware, log };
}

test('an Express site: what the middleware says is what intercept says of the same request', async (t) => {
  const space = workspace(t);
  const port = await freePort();
  const site = await expressSite(t, { collect: `http://127.0.0.1:${port}/tally/collect`, token: TOKEN, trustProxy: ['loopback'] });
  const intercept = await startIntercept(t, space, '--listen', `127.0.0.1:${port}`, '--upstream', `http://127.0.0.1:${site.port}`, '--trust-proxy', '127.0.0.1');
  const headers = {
    'user-agent': `${CHROME} Größe`.replace(/[ö]/g, '\xc3\xb6').replace('ß', '\xc3\x9f'), 'x-forwarded-for': '198.51.100.4, 203.0.113.7', referer: 'https://a.example/?q=1&access_token=hunter2',
    host: 'WWW.Example.com:8080', authorization: 'Bearer hunter2', 'x-api-key': 'hunter2', accept: ['text/html', 'text/plain'],
  };
  await send(intercept.port, { path: '/hello?a=1&user[password]=hunter2&next=%2Fb%3Ftoken%3Dhunter2', headers });
  await send(intercept.port, { path: '/missing', headers });
  await site.middleware.flush();
  assert.deepEqual(site.middleware.counts(), { received: 2, delivered: 2, rejected: 0, dropped: 0, queued: 0 });
  assert.equal(await intercept.end(), 0);

  const rows = requestsOf(space);
  assert.equal(rows.length, 4);
  assert.doesNotMatch(JSON.stringify(rows), /hunter2/);
  // A request comes to the site with what intercept says of the client beside its own headers.
  const forwarded = (name) => name.startsWith('x-forwarded-') || ['forwarded', 'x-real-ip', 'connection', 'via'].includes(name);
  const own = (text) => Object.fromEntries(Object.entries(JSON.parse(text)).filter(([name]) => !forwarded(name)));
  for (const url of ['/hello', '/missing']) {
    const [one, other] = rows.filter((row) => row.url.startsWith(url)).map(({ event_id, event_time, duration_ms, headers: text, ...row }) => ({ ...row, headers: own(text) }));
    // An answer that intercept has waited for longer than 2 s is not in its event.
    if (one.status === null || other.status === null) for (const row of [one, other]) row.status = row.bytes = null;
    assert.deepEqual(one, other);
  }
});

test('a collector that does not know the token takes nothing, and the site is told once', async (t) => {
  const space = workspace(t);
  const intercept = await startIntercept(t, space, '--upstream', 'http://127.0.0.1:9');
  const site = await expressSite(t, { collect: `http://127.0.0.1:${intercept.port}/tally/collect`, token: 'another' });
  for (let i = 0; i < 2; i++) {
    assert.equal((await send(site.port, { path: '/hello' })).text, 'hello');
    await site.middleware.flush();
  }
  assert.deepEqual(site.middleware.counts(), { received: 2, delivered: 0, rejected: 2, dropped: 0, queued: 0 });
  assert.equal(site.log.length, 1);
  assert.match(site.log[0], /refuses events: 401/);
});
