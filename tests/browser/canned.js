// canned.js: a server that gives the dashboard's files and answers as `tally serve` does, with made-up rows: what a store would not show at will (a million
// emoji, a store that is away, a correction right now).
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { once } = require('node:events');
const { ROOT } = require('../site/support.js');
const { MODULES } = require('./browser.js');

const PAGE = path.join(ROOT, 'serving/dashboard');
const UPLOT = path.join(ROOT, 'build/dashboard/node_modules/uplot');
const FILES = { '/': 'index.html', '/uplot.js': path.join(UPLOT, 'dist/uPlot.iife.min.js'), '/uplot.css': path.join(UPLOT, 'dist/uPlot.min.css'), '/uplot-license.txt': path.join(UPLOT, 'LICENSE') };
const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml', '.txt': 'text/plain' };
// What serve sends, and one thing more: with trusted types any innerHTML at all is an error.
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const iso = (ms) => new Date(ms).toISOString();
const column = (name, type, role) => ({ name, type, role });
const WINDOW = [column('window_start', 'TIMESTAMP_LTZ', 'window_start'), column('window_end', 'TIMESTAMP_LTZ', 'window_end')];

/** The same numbers each time. */
function randomness(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const PAGES = [['/', 30], ['/books', 22], ['/books/2', 14], ['/books/7', 11], ['/search?q=streams', 9], ['/books/1', 8], ['/cart', 6], ['/checkout', 4], ['/about', 3], ['/authors/le-guin', 3], ['/books/999', 2], ['/imprint', 1]];
const REFERRERS = [['https://duckduckgo.com/', 24], ['', 30], ['https://news.ycombinator.com/', 14], ['https://www.google.com/', 12], ['https://lobste.rs/', 6], ['https://old.reddit.com/r/books', 4], ['https://example.org/a-very-long/path/that/goes/on/and/on/until/it/does/not/fit/any/more', 2]];

/** Views as of `now`, with a boundary `behind` ms before it. */
function shop(now, behind = 6 * 60_000) {
  const random = randomness(7);
  const views = new Map();
  const boundary = Math.floor((now - behind) / 60_000) * 60_000;
  const layer = (end) => (end <= boundary ? { _layer: 'batch', _final: true } : { _layer: 'speed', _final: end <= now - 12_000 });
  const add = (name, kind, columns, rows) => views.set(name, { name, kind, columns, rows, seq: 100, boundary: iso(boundary), run: 41 });
  const busy = (ms) => {
    const d = new Date(ms);
    const hour = d.getUTCHours() + d.getUTCMinutes() / 60;
    return (0.25 + Math.exp(-((hour - 11) ** 2) / 14) + 0.9 * Math.exp(-((hour - 20) ** 2) / 6)) * (d.getUTCDay() % 6 === 0 ? 0.6 : 1);
  };
  const tumble = (step, count, make) => {
    const rows = [];
    const last = Math.floor(now / step) * step;
    for (let start = last - (count - 1) * step; start <= last; start += step) rows.push(...make(start, start + step));
    return rows;
  };
  const at = (start, end) => ({ window_start: iso(start), window_end: iso(end) });
  let wave = 0;
  add('requests_10s', 'tumble', [...WINDOW, column('host', 'STRING', 'key'), column('requests', 'BIGINT', 'value'), column('visitors', 'BIGINT', 'value'), column('bytes_sent', 'BIGINT', 'value'), column('slowest_ms', 'BIGINT', 'value')],
    tumble(10_000, 90, (start, end) => {
      wave += (random() - 0.5) * 8;
      wave *= 0.93;
      const requests = Math.max(4, Math.round(46 + wave + 14 * Math.sin(start / 150_000) + random() * 9));
      const part = end > now ? (now - start) / 10_000 : 1;
      return [{ ...at(start, end), host: 'shop.example.com', requests: Math.round(requests * part), visitors: Math.round(requests * part * 0.42), bytes_sent: requests * 18_000, slowest_ms: Math.round(40 + random() * 220), ...layer(end) }];
    }));
  const ranked = (items, step, count, key, value) => tumble(step, count, (start, end) => items.map(([name, weight], i) => {
    const drift = 1 + 0.5 * Math.sin(start / 400_000 + i * 1.7);
    return { ...at(start, end), [key]: name, [value]: Math.round(weight * drift * (0.6 + random() * 0.8)), ...layer(end) };
  }));
  add('pages_1m', 'tumble', [...WINDOW, column('page', 'STRING', 'key'), column('page_views', 'BIGINT', 'value')], ranked(PAGES, 60_000, 90, 'page', 'page_views'));
  add('referrers_1m', 'tumble', [...WINDOW, column('referrer', 'STRING', 'key'), column('page_views', 'BIGINT', 'value')], ranked(REFERRERS, 60_000, 90, 'referrer', 'page_views'));
  add('answers_1m', 'tumble', [...WINDOW, column('status', 'INT', 'key'), column('answers', 'BIGINT', 'value')], ranked([['200', 240], ['304', 60], ['404', 9], ['500', 1]].map(([s, w]) => [Number(s), w]), 60_000, 90, 'status', 'answers'));
  const sessions = [];
  for (let i = 0; i < 170; i++) {
    const end = now + 600_000 - random() * 90 * 60_000;
    const length = i % 41 === 7 ? (55 + random() * 25) * 60_000 : Math.round((2 + random() * random() * 22) * 60_000);
    sessions.push({ ...at(Math.round(end - length), Math.round(end)), visitor: `v${(i * 7919 + 13).toString(36)}`, pages: Math.max(1, Math.round((length / 60_000) * (0.4 + random()))), ...layer(end), _final: end < now - 15_000 });
  }
  add('sessions', 'session', [...WINDOW, column('visitor', 'STRING', 'key'), column('pages', 'BIGINT', 'value')], sessions.sort((a, b) => a.window_end.localeCompare(b.window_end)));
  const orders = [];
  for (let i = 0; i < 240; i++) {
    const end = now - random() * 90 * 60_000;
    const r = random();
    orders.push({ ...at(Math.round(end - 120_000), Math.round(end)), visitor: `v${i.toString(36)}`, reached: r < 0.38 ? 0 : r < 0.62 ? 1 : r < 0.82 ? 2 : 3, ...layer(end) });
  }
  add('checkout', 'count', [...WINDOW, column('visitor', 'STRING', 'key'), column('reached', 'INT', 'value')], orders.sort((a, b) => a.window_end.localeCompare(b.window_end)));
  add('traffic_1h', 'tumble', [...WINDOW, column('requests', 'BIGINT', 'value'), column('bytes_sent', 'BIGINT', 'value')],
    tumble(3_600_000, 24 * 28, (start, end) => { const requests = Math.round(9000 * busy(start) * (0.85 + 0.3 * random())); return [{ ...at(start, end), requests, bytes_sent: requests * 18_311, ...layer(end) }]; }));
  add('server_errors', 'events', [column('event_time', 'TIMESTAMP_LTZ', 'time'), column('status', 'INT', 'value'), column('url', 'STRING', 'value'), column('user_agent', 'STRING', 'value')],
    Array.from({ length: 14 }, (_, i) => ({ event_time: iso(now - (14 - i) * 47_000), status: i % 3 === 0 ? 503 : 500, url: `/checkout?step=${i % 4}`, user_agent: 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', _layer: 'speed', _final: true })));
  return { views, now, boundary };
}

function trust(now, boundary) {
  const causes = [{ late_drop: 312, duplicate: 41, fired_by_idle: 7 }, { late_drop: 148, duplicate: 39 }, { late_drop: 20, outage_gap: 900 }];
  const outcomes = { counted: 184_220, partly_counted: 14, filtered: 20_140, late: 312, duplicate: 41, future: 2, rejected: 0, dead_letter: 3 };
  return {
    reconciliations: { reconciliations: causes.map((c, i) => ({ id: 9 - i, started: iso(boundary + 90_000 - i * 86_400_000), seconds: 1.2, exit_status: i === 2 ? 1 : 0, range: { from: null, to: null, cut: false }, compared: { from: iso(boundary - 86_400_000 * (i + 1)), to: iso(boundary - 86_400_000 * i) }, summary: { groups: 12_480, equal: 12_480 - 190 - i * 30, explained: 190 + i * 30 - (i === 2 ? 3 : 0), unexplained: i === 2 ? 3 : 0, pending: 0 }, causes: c, notes: [], views: [] })) },
    runs: { runs: Array.from({ length: 6 }, (_, i) => ({ run: 41 - i, state: i === 3 ? 'kept back' : 'published', reason: i === 0 ? 'late events' : 'new events', started: iso(boundary + 60_000 - i * 86_400_000), seconds: 4.2 + i, ranges: 3, events: 184_000 - i * 999, rows: 9400 + i, checks_failed: i === 3 ? 1 : 0, failure: null })) },
    checks: { checks: [['volume_like_last_week', 'passed', 0.97, 0.7, 1.5, 0], ['has_host', 'passed', 0, null, 0.01, 0], ['no_negative_bytes', 'warned', 0.004, null, 0.001, 12]].map(([check, verdict, measured, low, high, violations]) => ({ view: 'requests_10s', from: iso(boundary - 86_400_000), to: iso(boundary), check, on_violation: 'WARN', verdict, measure: 'share', measured, low, high, violations, run: 41 })) },
    status: { views: [{ view: 'requests_10s', definition: 'a', state: 'active', events: Object.values(outcomes).reduce((a, b) => a + b), messages: 1, agrees: true, speed: outcomes, batch: outcomes, failed_in: {}, final: iso(now - 12_000), boundary: iso(boundary), partitions: [{ topic: 'events', partition: 0, offset: 204_732, end: 204_735, lag: 3, watermark: iso(now - 2000) }] }], archive: [{ topic: 'events', partition: 0, offset: 204_000, as_of: iso(now - 30_000), age_ms: 30_000 }], agrees: true },
  };
}

/** What a row is known by beside its key, as serve sends it over /api/v1/live. */
function identity(view, row) {
  if (view.kind === 'events') return { _partition: 0, _offset: view.rows.indexOf(row), _row: 0 };
  return { _id: view.columns.filter(({ role }) => role === 'key' || role === 'window_start').map(({ name }) => String(row[name])).join('|').slice(0, 200) };
}

/** Sums alone; a bucket is over when the newest row is beyond it. */
function rolledUp(view, rows, bucketMs, keys) {
  const sums = new Map();
  for (const row of rows) {
    const end = Math.ceil(Date.parse(row.window_end) / bucketMs) * bucketMs;
    const id = JSON.stringify([end, ...keys.map((key) => row[key])]);
    const sum = sums.get(id) ?? { window_start: iso(end - bucketMs), window_end: iso(end), ...Object.fromEntries(keys.filter((key) => key in row).map((key) => [key, row[key]])), _layer: row._layer, _final: end <= Date.now() };
    for (const { name, role } of view.columns) if (role === 'value') sum[name] = (sum[name] ?? 0) + row[name];
    sums.set(id, sum);
  }
  return [...sums.values()];
}

/** As much of the API as the page uses. `world`: {views: Map, now, boundary}; with: {socket, sse, stale, rollUp, answers}. */
async function startCanned(t, world, { socket = true, sse = true, stale = false, rollUp = true, answers = {} } = {}) {
  const { WebSocketServer } = require(path.join(MODULES, 'ws'));
  const fixed = { ...trust(world.now, world.boundary), ...answers };
  const subscriptions = new Set();
  const server = { stale, asked: [], socket, sse };
  const freshness = () => ({ speed_behind_s: 12, batch_behind_s: (Date.now() - world.boundary) / 1000, final_to: iso(world.now - 12_000) });
  const isWanted = (row, where) => where.every((each) => { const [name, op, ...rest] = each.split(':'); return op !== 'eq' || String(row[name]) === rest.join(':'); });
  const snapshot = (view, { where = [], from, last }) => {
    const end = view.kind === 'events' ? 'event_time' : 'window_end';
    const rows = view.rows.filter((row) => isWanted(row, where) && (!from || row[end] > new Date(from).toISOString()));
    return { type: 'snapshot', view: view.name, seq: view.seq, columns: view.columns, rows: (last ? rows.slice(-last) : rows).map((row) => ({ ...row, ...identity(view, row) })), truncated: false, from: from ?? null, boundary: view.boundary, freshness: freshness() };
  };
  const listed = (view) => ({ name: view.name, kind: view.kind, columns: view.columns, boundary: view.boundary, published_from: iso(world.boundary - 3_600_000), speed: { final_to: iso(world.now - 12_000), behind_s: 12 }, batch: { run: view.run, published_at: iso(world.boundary + 64_000) }, pending: 0 });

  const answer = (url) => {
    const name = url.pathname.replace('/api/v1/', '');
    const tail = { as_of: iso(Date.now()), stale: server.stale, ...(server.stale ? { stale_s: 75 } : {}) };
    if (name === 'views') return { views: [...world.views.values()].map(listed), ...tail };
    if (fixed[name]) return { ...fixed[name], ...tail };
    const view = world.views.get(decodeURIComponent(name.replace(/^views\//, '')));
    if (!view) return null;
    let { rows } = snapshot(view, { where: url.searchParams.getAll('where'), from: url.searchParams.get('from') });
    const bucket = /^(\d+)([sh])$/.exec(url.searchParams.get('bucket') ?? '');
    if (bucket) rows = rolledUp(view, rows, Number(bucket[1]) * { s: 1000, h: 3_600_000 }[bucket[2]], (url.searchParams.get('group_by') ?? '').split(','));
    if ((url.searchParams.get('order') ?? '').startsWith('-')) rows = [...rows].reverse();
    return { view: view.name, columns: view.columns, rows: rows.slice(0, Number(url.searchParams.get('limit') ?? 100)), next_cursor: null, boundary: view.boundary, freshness: freshness(), ...tail };
  };

  const listener = http.createServer((req, res) => {
    const url = new URL(req.url, 'http://localhost');
    server.asked.push(req.url);
    res.setHeader('content-security-policy', POLICY);
    res.setHeader('x-content-type-options', 'nosniff');
    if (url.pathname === '/api/v1/live/sse') {
      const view = world.views.get(url.searchParams.get('view'));
      if (!server.sse || !view) return res.writeHead(404).end();
      res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      const spec = { where: url.searchParams.getAll('where'), from: url.searchParams.get('from'), last: url.searchParams.get('last') };
      const send = (message) => res.write(`id: ${message.seq}\ndata: ${JSON.stringify(message)}\n\n`);
      const subscription = { view: view.name, send, spec };
      subscriptions.add(subscription);
      res.on('close', () => subscriptions.delete(subscription));
      return send({ ...snapshot(view, spec), id: undefined });
    }
    if (url.pathname.startsWith('/api/')) {
      const isRefused = !rollUp && url.searchParams.has('bucket');
      const body = isRefused ? null : answer(url);
      const problem = isRefused ? { type: 'about:blank', title: 'Bad Request', status: 400, detail: 'there are no accumulators' } : { type: 'about:blank', title: 'Not Found', status: 404, detail: 'there is no such path' };
      return res.writeHead(body ? 200 : problem.status, { 'content-type': body ? 'application/json' : 'application/problem+json' }).end(JSON.stringify(body ?? problem));
    }
    const file = path.resolve(PAGE, FILES[url.pathname] ?? url.pathname.slice(1));
    if (!fs.existsSync(file)) return res.writeHead(404).end();
    return res.writeHead(200, { 'content-type': `${TYPES[path.extname(file)] ?? 'text/plain'}; charset=utf-8` }).end(fs.readFileSync(file));
  });
  const sockets = new WebSocketServer({ noServer: true });
  listener.on('upgrade', (req, stream, head) => {
    if (!server.socket) return stream.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n');
    return sockets.handleUpgrade(req, stream, head, (ws) => {
      const mine = new Map();
      ws.on('message', (data) => {
        const message = JSON.parse(data);
        const view = world.views.get(message.view);
        if (message.type === 'unsubscribe') {
          subscriptions.delete(mine.get(message.id));
        } else if (message.type === 'subscribe') {
          const subscription = { view: message.view, spec: message, send: (each) => ws.send(JSON.stringify({ ...each, id: message.id })) };
          mine.set(message.id, subscription);
          subscriptions.add(subscription);
          // Whoever was here up to the newest change needs no snapshot.
          if (message.since === undefined) subscription.send(snapshot(view, message));
          else for (const missed of view.missed ?? []) if (missed.seq > message.since) subscription.send(missed);
        }
      });
      ws.on('close', () => mine.forEach((each) => subscriptions.delete(each)));
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const tell = (message) => subscriptions.forEach((each) => each.view === message.view && each.send(message));
  Object.assign(server, {
    url: `http://127.0.0.1:${listener.address().port}/`,
    subscriptions,
    /** rows: as in a message of changes; a view's own rows follow. */
    change(name, rows) {
      const view = world.views.get(name);
      const isKey = ({ role }) => ['window_start', 'window_end', 'key'].includes(role);
      const names = view.columns.filter(isKey).map((each) => each.name);
      view.seq++;
      for (const change of rows) {
        change.key ??= Object.fromEntries(names.map((each) => [each, (change.row ?? change.old)[each]]));
        view.rows = view.rows.filter((row) => !names.every((each) => row[each] === change.key[each]));
        if (change.row) view.rows.push(change.row);
        const id = identity(view, change.row ?? change.old);
        Object.assign(change.key, id);
        if (change.row) change.row = { ...change.row, ...id };
        if (change.old) change.old = { ...change.old, ...id };
      }
      const message = { type: 'changes', view: name, seq: view.seq, rows, boundary: view.boundary, final_to: iso(world.now - 12_000) };
      (view.missed ??= []).push(message);
      tell(message);
    },
    events(name, rows) {
      const view = world.views.get(name);
      view.rows.push(...rows);
      tell({ type: 'events', view: name, seq: ++view.seq, rows: rows.map((row) => ({ ...row, ...identity(view, row) })) });
    },
    say: (message) => sockets.clients.forEach((ws) => ws.send(JSON.stringify(message))),
    drop: () => sockets.clients.forEach((ws) => ws.terminate()),
    stop: () => { sockets.clients.forEach((ws) => ws.terminate()); listener.closeAllConnections(); listener.close(); },
  });
  t?.after(() => server.stop());
  return server;
}

module.exports = { startCanned, shop, iso, column, WINDOW };
