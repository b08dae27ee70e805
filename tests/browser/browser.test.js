// browser.test.js: a real browser on the demo site behind intercept, with /tally/tally.js in its pages: what it sends is in the log. make test-browser runs it.
'use strict';

const assert = require('node:assert/strict');
const http = require('node:http');
const { once } = require('node:events');
const { test } = require('node:test');
const { workspace, startSite, startIntercept, requestsOf } = require('../site/support.js');
const { startBrowser } = require('./browser.js');

async function elsewhere(t) {
  const server = http.createServer((req, res) => res.setHeader('content-type', 'text/html').end('<title>elsewhere</title>')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  return `http://other.example.com:${server.address().port}/page?token=hunter2`;
}

test('page views, a navigation within the page, a link that leaves, and an event of the site', { timeout: 240_000 }, async (t) => {
  const space = workspace(t);
  const link = await elsewhere(t);
  const site = await startSite(t, { SITE_DB: `${space.dir}/site.db`, SITE_SCRIPT: '/tally/tally.js', SITE_ELSEWHERE: link });
  const intercept = await startIntercept(t, space, '--upstream', `http://127.0.0.1:${site.port}`);
  const shop = `http://shop.example.com:${intercept.port}`;
  const context = await (await startBrowser(t)).newContext();
  const page = await context.newPage();
  const sent = [];
  page.on('requestfinished', (request) => {
    if (request.url().endsWith('/tally/collect')) sent.push(JSON.parse(request.postData()).name);
  });
  const told = async (names) => {
    while (sent.length < names.length) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(sent, names);
  };

  await page.goto(`${shop}/`, { waitUntil: 'load' });
  await told(['page_view']);
  await page.click('a[href="/books/2"]'); // React navigates; no page is loaded
  await page.waitForSelector('h1:has-text("Streams and Lakes")');
  await told(['page_view', 'page_view']);
  await page.evaluate(() => window.tally('signup', { plan: 'reader' }));
  await told(['page_view', 'page_view', 'signup']);
  await page.click('#elsewhere');
  await page.waitForURL(link);
  assert.deepEqual(await context.cookies(), []);

  let rows = [];
  while (rows.filter((row) => row.name !== null).length < 4) rows = requestsOf(space);
  await context.close();
  assert.equal(await intercept.end(), 0);
  const events = rows.filter((row) => row.name !== null);
  assert.deepEqual(events.map(({ name, url }) => [name, url]), [
    ['page_view', '/'], ['page_view', '/books/2'], ['signup', '/books/2'], ['outbound_click', '/books/2'],
  ]);
  assert.equal(events[1].referrer, `${shop}/`);
  for (const event of events) {
    assert.deepEqual([event.host, event.ip], ['shop.example.com', '127.0.0.1']);
    assert.match(JSON.parse(event.user_agent).family, /Chrome/);
  }
  assert.deepEqual(JSON.parse(events[2].props), { plan: 'reader' });
  assert.doesNotMatch(JSON.stringify(rows), /hunter2/);
  // The request for the page itself is an event, too; what React fetches for the next one is another.
  assert.equal(rows.filter((row) => row.name === null && row.url === '/').length, 1);
  assert.equal(rows.filter((row) => row.url.includes('/tally/')).length, 0);
});
