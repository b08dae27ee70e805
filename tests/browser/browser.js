// browser.js: Debian's Chromium, which finds the hosts of the tests on this machine, asks for nothing else, and keeps nothing.
'use strict';

const path = require('node:path');
const { ROOT } = require('../site/support.js');

const MODULES = path.join(process.env.TALLY_BROWSER ?? path.join(ROOT, 'build/browser'), 'node_modules');

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

module.exports = { startBrowser, MODULES };
