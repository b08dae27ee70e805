// report.test.js: the HTML report in a real browser: it loads and runs nothing, whatever events say; it can be read in light and dark, on a narrow screen and with aids.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { pathToFileURL } = require('node:url');
const { test } = require('node:test');
const { TALLY, workspace } = require('../site/support.js');
const { startBrowser, MODULES } = require('./browser.js');

const VIEWS = `
SET 'table.local-time-zone' = 'UTC';
CREATE TABLE events (event_id STRING, host STRING, \`bytes\` BIGINT, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND)
    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS num_hits, SUM(\`bytes\`) AS bytes_sum
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, host;`;

const HOSTILE = [
  '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '"><svg onload=alert(1)>', '</style><script>alert(1)</script>', '</title></svg><iframe src=javascript:alert(1)>',
  '<style>body{display:none}</style>', '<link rel=stylesheet href=http://127.0.0.1/x.css>', '<meta http-equiv=refresh content="0;url=http://127.0.0.1/">', '&lt;script&gt;alert(1)&lt;/script&gt;',
  'javascript:alert(1)', '\u202eevil', '\u0000\u001b[31m', ']]>', '<!--', '<base href=http://127.0.0.1/>', 'x'.repeat(5000),
];

const START = Date.UTC(2026, 2, 1);

/** The report of late events from all of these hosts, and of a row that somebody has changed. */
function reportOf({ dir }) {
  const views = path.join(dir, 'views.sql');
  const tally = (status, command, ...args) => {
    const done = spawnSync(TALLY, [command, ...args, '--views', views, '--data', path.join(dir, 'data')], { encoding: 'utf8', maxBuffer: 1 << 26 });
    assert.equal(done.status, status, `${command}: ${done.stderr}`);
    return done.stdout;
  };
  const event = (host, second) => `${JSON.stringify({ event_id: `${host} ${second}`, host, bytes: second, event_time: new Date(START + second * 1000).toISOString() })}\n`;
  const body = Array.from({ length: 60 }, (_, i) => event('body.example', 10 * i));
  const late = HOSTILE.map((host, i) => event(host, 17 * i));
  fs.writeFileSync(views, VIEWS);
  fs.writeFileSync(path.join(dir, 'events.jsonl'), [...body.slice(0, 40), ...late, ...body.slice(40)].join(''));
  tally(0, 'import', path.join(dir, 'events.jsonl'), '--format', 'jsonl', '--into', 'log');
  tally(0, 'speed', '--once');
  tally(0, 'archive');
  tally(0, 'batch', '--to', new Date(START + 600_000).toISOString());
  const forged = spawnSync('sqlite3', [path.join(dir, 'data/views.db'), 'UPDATE hits_speed SET num_hits = 7 WHERE _end_ms = (SELECT MIN(_end_ms) FROM hits_speed)']);
  assert.equal(forged.status, 0, String(forged.stderr));
  const file = path.join(dir, 'report.html');
  fs.writeFileSync(file, tally(1, 'reconcile', '--format', 'html', '--by', 'host', '--limit', '100'));
  return file;
}

test('the HTML report', { timeout: 300_000 }, async (t) => {
  const file = reportOf(workspace(t));
  const url = pathToFileURL(file).href;
  const browser = await startBrowser(t);
  const axe = fs.readFileSync(path.join(MODULES, 'axe-core/axe.min.js'), 'utf8');

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1200, 320]) {
      await t.test(`${colorScheme}, ${width} pixels wide`, async () => {
        const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
        const page = await context.newPage();
        const asked = [];
        const said = [];
        page.on('request', (request) => asked.push(request.url()));
        page.on('console', (message) => said.push(message.text()));
        page.on('pageerror', (error) => said.push(String(error)));
        page.on('dialog', (dialog) => { said.push(dialog.message()); dialog.dismiss(); });
        await page.goto(url, { waitUntil: 'load' });
        assert.deepEqual(asked, [url]);

        // The policy lets the style sheet in: the digest is right.
        assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 23, 26)');
        // What is wider than the screen scrolls in its own place.
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
        const codes = await page.$$eval('td code, th code', (all) => all.map((code) => code.textContent));
        for (const host of HOSTILE.slice(0, 8)) {
          const shown = /[\s"=,]/.test(host) ? `"${host.replaceAll('"', '\\"')}"` : host;
          assert.ok(codes.some((code) => code === shown), `${shown} among ${codes}`);
        }
        assert.ok(codes.some((code) => code.startsWith('"xxx') && code.endsWith('... (5000 bytes)')));
        assert.equal(await page.evaluate(() => document.querySelectorAll('script, img, iframe, link, base, a, object, embed, form').length), 0);

        // Pictures: nothing is drawn outside of them, and no bar is without a length.
        const drawn = await page.$$eval('svg', (all) => all.map((svg) => {
          const { width: w, height: h } = svg.viewBox.baseVal;
          return [...svg.querySelectorAll('rect, text, line')].filter((part) => {
            const box = part.getBBox();
            return box.x < 0 || box.y < 0 || box.x + box.width > w + 0.5 || box.y + box.height > h + 0.5;
          }).map((part) => part.outerHTML);
        }));
        assert.deepEqual(drawn, [[], [], []]);

        await page.evaluate(() => document.querySelectorAll('details').forEach((details) => { details.open = true; }));
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
        assert.deepEqual(violations.map(({ id, impact, nodes }) => [id, impact, nodes[0].html]), []);
        assert.deepEqual(said, []);
        await context.close();
      });
    }
  }

  await t.test('printed', async () => {
    const context = await browser.newContext({ colorScheme: 'dark' });
    const page = await context.newPage();
    await page.goto(url);
    await page.emulateMedia({ media: 'print' });
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(255, 255, 255)');
    assert.ok((await page.pdf()).length > 10_000);
    await context.close();
  });
});
