// browser.js: Debian's Chromium, which finds the hosts of the tests on this machine, asks for nothing else, and keeps nothing; and a page of the dashboard in it.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { ROOT } = require('../site/support.js');

const MODULES = path.join(process.env.TALLY_BROWSER ?? path.join(ROOT, 'build/browser'), 'node_modules');
const SHOTS = path.join(ROOT, 'build/screenshots');
// All waits are for something to be there; this long only where it never will be.
const PATIENCE_MS = 60_000;

async function startBrowser(t) {
  const { chromium } = require(path.join(MODULES, 'playwright-core'));
  const browser = await chromium.launch({
    executablePath: process.env.TALLY_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
      '--host-resolver-rules=MAP *.example.com 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
  });
  t.after(() => browser.close());
  return browser;
}

/** The dashboard at `url`, with its rows: {page, headers, without(), allow(pattern)}. without() fails where it said something on the console, asked for
 *  something elsewhere, or is wider than the screen. `allowed`: console messages that belong to the test. */
async function open(t, browser, url, { width = 1440, height = 900, colorScheme = 'light', hash = '', allowed = /^$/ } = {}) {
  const context = await browser.newContext({ colorScheme, viewport: { width, height }, timezoneId: 'Europe/Berlin', reducedMotion: 'reduce' });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const faults = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type()) && !allowed.test(message.text())) faults.push(message.text()); });
  page.on('pageerror', (error) => faults.push(String(error.stack)));
  page.on('dialog', (dialog) => { faults.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('request', (request) => { if (!request.url().startsWith(url)) faults.push(`asked for ${request.url()}`); });
  const headers = (await page.goto(url + hash)).headers();
  await page.waitForSelector('#panels[aria-busy="false"]');
  const without = async () => {
    assert.deepEqual(faults, []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'nothing is wider than the screen');
  };
  return { page, headers, without, allow: (pattern) => { allowed = pattern; } };
}

const drawn = (page) => page.waitForSelector('.panel.rate canvas');
/** The first element of a selector has a text that matches. */
const until = async (page, selector, pattern) => {
  await page.waitForFunction(([at, source, flags]) => new RegExp(source, flags).test(document.querySelector(at)?.textContent ?? ''), [selector, pattern.source, pattern.flags], { timeout: PATIENCE_MS }).catch(async (error) => {
    throw new Error(`${selector} is ${JSON.stringify(await page.locator(selector).allTextContents())}, not ${pattern}`, { cause: error });
  });
};

const screenshot = (page, name, options = { fullPage: true }) => {
  fs.mkdirSync(SHOTS, { recursive: true });
  return page.screenshot({ path: path.join(SHOTS, `${name}.png`), ...options });
};

/** axe finds nothing. It comes in by the protocol of the browser's tools, which the page's policy does not bind. */
async function accessible(page) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(fs.readFileSync(path.join(MODULES, 'axe-core/axe.min.js'), 'utf8'));
  const { violations } = await page.evaluate(() => window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations'] }));
  assert.deepEqual(violations.map(({ id, impact, nodes }) => [id, impact, nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary}`).slice(0, 3)]), []);
}

module.exports = { startBrowser, open, drawn, until, screenshot, accessible, MODULES, PATIENCE_MS };
