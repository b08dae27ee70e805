// shop.js: a shop that tally really counts: two days of the demo's made-up traffic that end now, then whoever comes to it through intercept; and `tally serve`.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { once } = require('node:events');
const { execFileSync, spawnSync } = require('node:child_process');
const { ROOT, TALLY, workspace, start, startIntercept, send } = require('../site/support.js');

const TRAFFIC = process.env.TRAFFIC_BIN ?? path.join(ROOT, 'build/release/traffic');
const CHECKS = `
ALTER TABLE events ADD CONSTRAINT has_host EXPECT (host IS NOT NULL) ON VIOLATION DROP ROW;
ALTER TABLE events ADD CONSTRAINT answers_soon EXPECT (duration_ms < 500) ON VIOLATION WARN;
ALTER VIEW traffic_1h ADD CONSTRAINT has_traffic EXPECT (SUM(requests) > 100) ON VIOLATION WARN;
`;

/** Both layers have counted the traffic, and are compared; batch has published up to `behind` ms ago. `step`: how long a window of its requests is. */
async function countShop(t, { events = 20_000, hours = 48, behind = 180_000, step = "'5' SECOND" } = {}) {
  const space = workspace(t);
  const views = fs.readFileSync(path.join(__dirname, 'shop.sql'), 'utf8');
  fs.writeFileSync(path.join(space.dir, 'views.sql'), views.replace("INTERVAL '5' SECOND", `INTERVAL ${step}`));
  fs.writeFileSync(path.join(space.dir, 'checks.sql'), CHECKS);
  const tally = (...args) => execFileSync(TALLY, [...args, ...space.shared], { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28 }).toString();
  /** JSON Lines, or objects, into the log. */
  const put = (lines) => {
    const file = path.join(space.dir, `${process.hrtime.bigint()}.jsonl`);
    fs.writeFileSync(file, typeof lines === 'string' || Buffer.isBuffer(lines) ? lines : lines.map((each) => `${JSON.stringify(each)}\n`).join(''));
    tally('import', file, '--format', 'jsonl', '--into', 'log', '--partitions', '2');
  };
  const from = new Date(Date.now() - hours * 3_600_000).toISOString().replace(/\.\d+/, '');
  put(execFileSync(TRAFFIC, ['--seed', '7', '--events', String(events), '--hours', String(hours), '--start', from], { maxBuffer: 1 << 30 }));
  tally('speed', '--once', '--workers', '1');
  tally('archive');
  const batch = (to) => tally('batch', '--to', to, '--checks', path.join(space.dir, 'checks.sql'));
  batch(new Date(Date.now() - behind).toISOString());
  // 1 is an answer, too: not all differences are explained.
  const reconcile = () => spawnSync(TALLY, ['reconcile', '--quiet', ...space.shared]).status;
  reconcile();
  return { ...space, tally, put, batch, reconcile };
}

/** What serve says that it listens at. */
async function startServe(t, { shared }, ...args) {
  const serve = start(t, TALLY, ['serve', ...shared, '--listen', '127.0.0.1:0', ...args]);
  const [, port] = await serve.says(/listens url=127\.0\.0\.1:(\d+)/);
  return { ...serve, url: `http://127.0.0.1:${port}/` };
}

/** A website behind intercept, and speed. visit(urls, headers): a person comes. */
async function openShop(t, shop) {
  const site = http.createServer((req, res) => res.writeHead(req.url === '/broken' ? 500 : 200, { 'content-type': 'text/html' }).end('<title>shop</title>')).listen(0, '127.0.0.1');
  await once(site, 'listening');
  t.after(() => site.close());
  t.after(() => site.closeAllConnections());
  const intercept = await startIntercept(t, shop, '--upstream', `http://127.0.0.1:${site.address().port}`);
  const speed = start(t, TALLY, ['speed', ...shop.shared]);
  const visit = async (urls, headers = {}) => {
    for (const url of urls) await send(intercept.port, { path: url, headers: { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', referer: 'https://duckduckgo.com/', ...headers } });
  };
  return { intercept, speed, visit };
}

module.exports = { countShop, startServe, openShop };
