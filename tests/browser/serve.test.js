// serve.test.js: the dashboard of `tally serve` in a real browser, of a shop that tally counts: what each panel says, requests through intercept that move it, runs of batch that move its boundary, people who sign in.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { startBrowser, open, until, drawn, screenshot, accessible, PATIENCE_MS } = require('./browser.js');
const { countShop, startServe, openShop } = require('./shop.js');

const PANELS = ['Requests per minute', 'Visitors', 'Top pages', 'Top referrers', 'Answers by status', 'By host', 'Sessions', 'Funnel', 'Peak hours', 'Latest server errors', 'Any view'];
const PAGES = '[aria-labelledby="panel-top-page"]';
const REFERRERS = '[aria-labelledby="panel-top-referrer"]';

/** Comes again until the page says so: a window is over when somebody came after it. */
async function visitUntil(page, visit, selector, pattern) {
  const found = until(page, selector, pattern);
  let isOver = false;
  found.then(() => { isOver = true; }, () => { isOver = true; });
  while (!isOver) {
    await visit(new Array(5).fill('/anchor'));
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  await found;
}

const numberIn = async (page, selector) => Number((await page.locator(selector).innerText()).replaceAll(',', ''));

test('a shop that is counted', { timeout: 600_000 }, async (t) => {
  const shop = await countShop(t);
  const { visit, intercept, speed } = await openShop(t, shop);
  const serve = await startServe(t, shop);
  const browser = await startBrowser(t);
  const { page, headers, without, allow } = await open(t, browser, serve.url);

  await t.test('each panel says something', async () => {
    assert.match(headers['content-security-policy'], /^default-src 'none'; script-src 'self'; style-src 'self'; .*require-trusted-types-for 'script'/);
    await until(page, '#connection', /^Live$/);
    await drawn(page);
    await page.waitForSelector('.heatmap');
    assert.deepEqual(await page.locator('#panels > .panel:visible h2').allInnerTexts(), PANELS);
    await until(page, '#tile-rate .big', /^[\d,.]+$/);
    await until(page, '#tile-visitors .small', /^in 5 s$/); // of all hosts together, by the server
    await until(page, '#tile-late .big', /^[1-9]\d*$/);
    await until(page, '#tile-boundary .big', /^\d\d:\d\d$/);
    for (const top of [PAGES, REFERRERS]) {
      await page.waitForSelector(`${top} .bars li .spark`);
      await until(page, `${top} .bars`, /(up|down|same, )|new/); // a trend in words, too
    }
    await until(page, REFERRERS, /www\.google\.com/);
    await until(page, '.panel.sessions .note', /^\d+ sessions, \d+ still open\. Normally .+ to .+, half of them below .+ [1-9]\d* outside\.$/);
    assert.deepEqual(await page.locator('.panel.sessions .legend li').allInnerTexts(), ['usual', 'outlier']);
    await page.waitForSelector('.panel.sessions .normal:visible');
    assert.deepEqual((await page.locator('.panel.funnel .steps .name').allInnerTexts()).slice(0, 2), ['came', 'reached step 1']); // as far as anybody came
    const steps = (await page.locator('.panel.funnel .steps .n').allInnerTexts()).map(Number);
    assert.ok(steps[0] >= steps[1] && steps[1] > 0, `${steps}`);
    assert.ok(await page.locator('.heatmap td:not([data-heat="none"])').count() >= 40, 'two days have their hours');
    await page.waitForSelector('.heatmap td[data-heat="9"]');
    await page.waitForSelector('.panel.events tbody tr');
  });

  await t.test('the boundary is a line, and what speaks for the numbers', async () => {
    const line = await page.waitForSelector('.panel.rate .boundary:visible');
    assert.match(await line.innerText(), /reconciled[\s\S]*provisional/);
    const { views } = await (await page.request.get(`${serve.url}api/v1/views`)).json();
    const { boundary } = views.find(({ name }) => name === 'requests_5s');
    assert.equal(await page.getAttribute('.panel.rate .chart', 'data-boundary'), String(Date.parse(boundary)));
    await page.focus('.panel.rate .plot');
    await page.keyboard.press('Home');
    await until(page, '.panel.rate .chart .unseen', /reconciled$/);
    await page.keyboard.press('End');
    await until(page, '.panel.rate .chart .unseen', /provisional$/);
    await page.evaluate(() => document.activeElement.blur());

    await until(page, '[aria-labelledby="trust-layers"] tbody', /requests_5s.* ago.* ago/);
    assert.equal(await page.locator('[aria-labelledby="trust-layers"] tbody tr').count(), views.length);
    await until(page, '[aria-labelledby="trust-reconciliation"]', /Each difference is explained.*late drop\d+.*duplicate\d+/);
    await until(page, '[aria-labelledby="trust-events"]', /Each event has one outcome.*late.*requests_5s/);
    await until(page, '[aria-labelledby="trust-runs"] tbody tr:first-child', /^1published/);
    await until(page, '[aria-labelledby="trust-checks"] tbody', /answers_soon8 views✗ warned.*has_host8 views✓ passed/);
    await until(page, '[aria-labelledby="trust-corrections"]', /no number that was shown has changed/);
  });

  await t.test('requests move it', async () => {
    await visit(new Array(40).fill('/an-offer'));
    await until(page, `${PAGES} .bars`, /\/an-offer40/);
    await visit(['/broken', ...new Array(5).fill('/an-offer')]);
    await until(page, `${PAGES} .bars`, /\/an-offer45/);
    await until(page, '.panel.events tbody tr:first-child', /500\/broken/);
    await until(page, REFERRERS, /duckduckgo\.com\/(4[6-9]|5\d)/);
    await visitUntil(page, visit, '#tile-rate .big', /^([1-9]\d\d|\d+,\d+)$/); // the traffic has 7 a minute
    await until(page, '#tile-rate .small', /^(▲ up|new) .*on the minute before/); // which had nobody where all before took longer than a minute
  });

  await t.test('any view as chart or table, a time range, a filter', async () => {
    await page.selectOption('.explore select >> nth=0', 'traffic_1h');
    await until(page, '.explore .note', /Tumble windows of 1 h/);
    await page.click('.explore button:has-text("Table")');
    await page.waitForSelector('.explore tbody tr >> nth=20');
    await page.selectOption('.explore select >> nth=3', 'batch');
    await page.waitForFunction(() => ![...document.querySelectorAll('.explore tbody tr')].some((row) => /speed/.test(row.textContent)));
    await page.selectOption('#range', '24h');
    await until(page, '.panel.rate .note', /Windows of 5 min/); // rolled up by the server
    await until(page, `${PAGES} .note`, /Page views, with the trend; \d{3,} in all/);
    await page.click(`${PAGES} button.pick >> nth=0`);
    await page.waitForFunction((top) => document.querySelectorAll(`${top} .bars li`).length === 1, PAGES);
    await page.click('.chip');
    await page.selectOption('#range', 'auto');
    await until(page, '.panel.rate .note', /Windows of 5 s/);
    assert.equal(new URL(page.url()).hash, '');
  });

  await t.test('a run of batch moves the line, and corrects what was shown', async () => {
    const was = await page.getAttribute('.panel.rate .chart', 'data-boundary');
    // Of a row that is shown, and long final: speed calls it late, batch counts it.
    const query = new URLSearchParams({ to: new Date(Date.now() - 90_000).toISOString(), order: '-window_end', limit: 1, where: 'host:eq:shop.example.com' });
    const [{ window_start: time }] = (await (await page.request.get(`${serve.url}api/v1/views/requests_5s?${query}`)).json()).rows;
    const late = (i) => ({ event_id: `late-${i}`, url: '/late', referrer: null, user_agent: 'Mozilla/5.0 Firefox/128.0', host: 'shop.example.com', ip: '192.0.2.7', event_time: time, status: 200, duration_ms: 3, bytes: 700 });
    const before = await numberIn(page, '#tile-late .big');
    shop.put([late(1), late(2), late(3)]);
    await visitUntil(page, visit, '#tile-late .big', new RegExp(`^(?!${before}$)`));
    shop.tally('archive');
    shop.batch('now');
    shop.reconcile();
    await page.waitForFunction((then) => Number(document.querySelector('.panel.rate .chart').dataset.boundary) > Number(then), was, { timeout: PATIENCE_MS });
    await page.waitForSelector('.panel.rate .boundary:visible');
    await until(page, '[aria-labelledby="trust-corrections"] tbody', /requests_5s.*requests \d+ → \d+.*(a late event|batch has published)/);
    await until(page, '[aria-labelledby="trust-runs"] tbody tr:first-child', /^2published/);
    await until(page, '[aria-labelledby="trust-reconciliation"] summary', /The last 2/);
  });

  await t.test('what events say is text, whatever it is', async () => {
    const now = new Date().toISOString();
    const event = (i, url, agent) => ({ event_id: `hostile-${i}`, url, referrer: url, user_agent: agent, host: 'shop.example.com', ip: '192.0.2.9', event_time: now, status: 503, duration_ms: 1, bytes: 1 });
    const texts = ['/<script>document.title = "run"</script>', '/"><img src=x onerror=document.title="run">', "/'-alert(1)-'", '/\u202egnp.exe', '/\u0000\u001b[31m\u0007', '/javascript:alert(1)', `/${'\u{1F9EE}'.repeat(60_000)}`];
    shop.put(texts.map((text, i) => event(i, text, i === 0 ? '\u{1F9EE}'.repeat(262_144) : text)));
    for (const text of ['/%3Cscript%3E', "/<b>x</b>'\"", '/..%2f%00']) await visit([text], { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0 <svg onload=alert(1)>', referer: 'https://evil.example/"><script>alert(1)</script>' }).catch(() => {});
    await visitUntil(page, visit, '.panel.events tbody', /javascript:alert/);
    const cells = await page.locator('.panel.events bdi').allTextContents();
    for (const shown of ['/<script>document.title = "run"</script>', '/\\u202egnp.exe', '/\ufffd\\u001b[31m\\u0007']) assert.ok(cells.includes(shown), `${shown} among ${cells}`);
    assert.ok(cells.some((cell) => /^\/?(\u{1F9EE})+… \([\d,]+ characters\)$/u.test(cell)), 'what is long is cut');
    for (const [top, pattern] of [[REFERRERS, /https:\/\/evil\.example\/"><script>alert\(1\)<\/script>/], [PAGES, /\/<b>x<\/b>'"/]]) {
      await page.click(`${top} .switch button:has-text("Table")`);
      await until(page, `${top} tbody`, pattern);
    }
    assert.equal(await page.evaluate(() => document.querySelectorAll('main script, main img, main iframe, main b, main [onerror], main [onload]').length), 0);
    assert.equal(await page.title(), 'tally');
  });

  for (const [colorScheme, width] of [['light', 1440], ['dark', 390], ['dark', 2200]]) {
    await t.test(`${colorScheme}, ${width} pixels wide`, async (t2) => {
      const other = await open(t2, browser, serve.url, { width, colorScheme });
      await drawn(other.page);
      await other.page.waitForSelector('.heatmap');
      await other.page.waitForSelector('[aria-labelledby="trust-checks"] tbody tr');
      await screenshot(other.page, `serve-${colorScheme}-${width}`);
      await accessible(other.page);
      await other.without();
    });
  }

  await t.test('without the server', async () => {
    await without();
    allow(/WebSocket|ERR_|EventSource/);
    assert.equal(await serve.end(), 0);
    await until(page, '#banner', /There is no connection to the server; these numbers are as of/);
    for (const program of [intercept, speed]) assert.equal(await program.end(), 0);
  });
});

test('people with a token sign in', { timeout: 300_000 }, async (t) => {
  const shop = await countShop(t, { events: 500, hours: 1 });
  const secrets = path.join(shop.dir, 'secrets');
  fs.writeFileSync(secrets, 'token wall a-secret-of-some-length\nbasic ann pässword!\n', { mode: 0o600 });
  const serve = await startServe(t, shop, '--auth-file', secrets);
  const browser = await startBrowser(t);
  const context = await browser.newContext({ colorScheme: 'dark' });
  t.after(() => context.close());
  const page = await context.newPage();
  const sockets = [];
  page.on('websocket', (socket) => sockets.push(socket));
  const signIn = async (secret, name) => {
    await page.fill('#secret', secret);
    await page.fill('#name', name);
    await page.keyboard.press('Enter');
  };

  assert.equal((await page.goto(`${serve.url}#range=1h`)).status(), 401);
  await page.waitForSelector('#secret');
  await accessible(page);
  await screenshot(page, 'sign-in');
  await signIn('another-secret-of-it', '');
  await until(page, '#said', /no secret of this server/);
  await signIn('a-secret-of-some-length', '');
  await until(page, '#connection', /^Live$/);
  assert.equal(await page.inputValue('#range'), '1h');
  assert.equal(sockets.length, 1);
  const [cookie] = await context.cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.expires], [true, 'Strict', -1]);
  assert.equal(await page.evaluate(() => document.cookie), '');
  assert.doesNotMatch(JSON.stringify([await context.cookies(), await page.evaluate(() => ({ ...localStorage, ...sessionStorage }))]), /a-secret/);

  // A link from elsewhere does not bring the cookie, and yet nobody is asked twice.
  const elsewhere = await context.newPage();
  await elsewhere.route('http://other.example.com/', (route) => route.fulfill({ contentType: 'text/html', body: `<a href="${serve.url}">look</a>` }));
  await elsewhere.goto('http://other.example.com/');
  await elsewhere.click('a');
  await until(elsewhere, '#connection', /^Live$/);
  await elsewhere.close();

  // Whoever signs out does so for all pages of the browser, and what they listen to ends.
  const beside = await context.newPage();
  const ends = [];
  beside.on('websocket', (socket) => socket.on('close', () => ends.push(socket.url())));
  await beside.goto(serve.url);
  await until(beside, '#connection', /^Live$/);
  await page.click('#sign-out');
  await page.waitForSelector('#secret');
  assert.deepEqual(await context.cookies(), []);
  await beside.waitForSelector('#secret', { timeout: PATIENCE_MS });
  assert.ok(ends.length > 0);
  await beside.close();
  // The page to sign in has no name of its own: whoever is in would see it load itself for ever.
  assert.equal((await page.request.get(new URL('sign_in.html', serve.url).href, { headers: { authorization: 'Bearer a-secret-of-some-length' } })).status(), 404);
  await signIn('pässword!', 'ann');
  await until(page, '#connection', /^Live$/);
  // Whoever has been signed out elsewhere is asked again by himself.
  await context.clearCookies();
  await page.waitForSelector('#secret', { timeout: PATIENCE_MS });
  assert.equal(await serve.end(), 0);
});

test('people with a password are asked by the browser', { timeout: 300_000 }, async (t) => {
  const shop = await countShop(t, { events: 500, hours: 1 });
  const secrets = path.join(shop.dir, 'secrets');
  fs.writeFileSync(secrets, 'basic ann a password\n', { mode: 0o600 });
  const serve = await startServe(t, shop, '--auth-file', secrets);
  const browser = await startBrowser(t);
  const stranger = await browser.newContext();
  t.after(() => stranger.close());
  // Nobody answers what a browser without a window asks.
  const refused = await stranger.request.get(serve.url, { headers: { accept: 'text/html' } });
  assert.match(`${refused.status()} ${refused.headers()['www-authenticate']}`, /^401 Basic realm="tally"/);
  const ann = await browser.newContext({ httpCredentials: { username: 'ann', password: 'a password' } });
  t.after(() => ann.close());
  const page = await ann.newPage();
  await page.goto(serve.url);
  await until(page, '#connection', /^Live$/);
  assert.ok(await page.isHidden('#sign-out'));
  await page.close();
  assert.equal(await serve.end(), 0);
});
