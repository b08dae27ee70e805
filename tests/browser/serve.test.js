// serve.test.js: the dashboard of `tally serve` in a real browser: requests that come through intercept move its numbers, a run of batch its boundary, and reconcile says what it found.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { once } = require('node:events');
const { execFileSync } = require('node:child_process');
const { test } = require('node:test');
const { ROOT, TALLY, workspace, start, startIntercept, send } = require('../site/support.js');
const { startBrowser, MODULES } = require('./browser.js');

const until = (page, selector, pattern) => page.waitForFunction(([at, source]) => new RegExp(source).test(document.querySelector(at)?.textContent ?? ''), [selector, pattern.source], { timeout: 30_000 }).catch(async (error) => {
  throw new Error(`${selector} is ${JSON.stringify(await page.locator(selector).allTextContents())}, not ${pattern}`, { cause: error });
});

test('requests through intercept, a run of batch, a reconciliation', { timeout: 180_000 }, async (t) => {
  const space = workspace(t);
  fs.copyFileSync(path.join(__dirname, 'shop.sql'), path.join(space.dir, 'views.sql'));
  const site = http.createServer((req, res) => res.writeHead(req.url === '/broken' ? 500 : 200, { 'content-type': 'text/html' }).end('<title>shop</title>')).listen(0, '127.0.0.1');
  await once(site, 'listening');
  t.after(() => site.close());
  t.after(() => site.closeAllConnections());
  const intercept = await startIntercept(t, space, '--upstream', `http://127.0.0.1:${site.address().port}`);
  const visit = async (urls) => { for (const url of urls) await send(intercept.port, { path: url, headers: { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0', referer: 'https://duckduckgo.com/' } }); };
  const speed = start(t, TALLY, ['speed', ...space.shared]);
  await visit(['/', '/books', '/books/1', '/']);
  while (!fs.existsSync(path.join(space.dir, 'data/views.db'))) await new Promise((resolve) => setTimeout(resolve, 50));
  const serve = start(t, TALLY, ['serve', ...space.shared, '--listen', '127.0.0.1:0']);
  const [, port] = await serve.says(/listens url=127\.0\.0\.1:(\d+)/);
  const url = `http://127.0.0.1:${port}/`;

  const faults = [];
  const page = await (await (await startBrowser(t)).newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) faults.push(message.text()); });
  page.on('pageerror', (error) => faults.push(String(error.stack)));
  page.on('request', (request) => { if (!request.url().startsWith(url)) faults.push(`asked for ${request.url()}`); });
  const { headers } = { headers: (await page.goto(url)).headers() };
  assert.match(headers['content-security-policy'], /^default-src 'none'; script-src 'self'; style-src 'self'; /);
  assert.match(headers['content-security-policy'], /require-trusted-types-for 'script'/);
  await until(page, '#connection', /^Live$/);
  await page.waitForSelector('.panel.rate canvas');
  await until(page, '[aria-labelledby="panel-top-page"] .bars', /\/books/);

  // Numbers move.
  const open = async () => Number(/\+(\d+) in open windows/.exec(await page.locator('#tile-rate .small').innerText())?.[1] ?? 0);
  await visit(new Array(40).fill('/an-offer'));
  await until(page, '[aria-labelledby="panel-top-page"] .bars li:first-child', /\/an-offer.*40/);
  await visit(['/broken', ...new Array(5).fill('/an-offer')]);
  await until(page, '[aria-labelledby="panel-top-page"] .bars li:first-child', /\/an-offer.*45/);
  await until(page, '.panel.events tbody', /\/broken/);
  assert.ok((await open()) >= 0);
  // Hostile urls are text.
  await visit(['/%3Cscript%3E', "/<img src=x onerror=alert(1)>".replaceAll(' ', '%20')]);
  await until(page, '[aria-labelledby="panel-top-page"] .bars', /onerror/);

  // A run of batch moves the boundary: a line that was not there.
  await until(page, '.panel.rate .note', /Nothing is reconciled yet/);
  assert.ok(await page.locator('.panel.rate .boundary').isHidden());
  await new Promise((resolve) => setTimeout(resolve, 12_000)); // the window of the requests is over
  await visit(['/', '/']);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  for (const args of [['archive'], ['batch', '--to', 'now'], ['reconcile', '--quiet']]) execFileSync(TALLY, [...args, ...space.shared], { stdio: 'ignore' });
  await until(page, '.panel.rate .note', /Reconciled up to/);
  await page.waitForSelector('.panel.rate .boundary:not([hidden])');
  await until(page, '[aria-labelledby="trust-reconciliation"]', /Both layers agree|Each difference is explained/);
  await until(page, '[aria-labelledby="trust-runs"] tbody', /published/);
  await until(page, '[aria-labelledby="trust-events"]', /Each event has one outcome/);
  await page.evaluate(fs.readFileSync(path.join(MODULES, 'axe-core/axe.min.js'), 'utf8'));
  const { violations } = await page.evaluate(() => window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes[0].html]), []);
  fs.mkdirSync(path.join(ROOT, 'build/screenshots'), { recursive: true });
  await page.screenshot({ path: path.join(ROOT, 'build/screenshots/dashboard-serve.png'), fullPage: true });
  assert.deepEqual(faults, []);

  assert.equal(await serve.end(), 0);
  await until(page, '#banner', /There is no connection to the server/);
  assert.equal(await speed.end(), 0);
});
