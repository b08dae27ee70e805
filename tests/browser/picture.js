// picture.js: the README's picture of the dashboard: a week of the demo's traffic as `tally serve` shows it, light and dark. make picture runs it.
// node tests/browser/picture.js FOLDER: dashboard.png and dashboard-dark.png
'use strict';

const path = require('node:path');
const { startBrowser } = require('./browser.js');
const { countShop, startServe } = require('./shop.js');

async function main(folder) {
  const ends = [];
  const t = { after: (end) => ends.unshift(end) };
  try {
    const shop = await countShop(t, { events: 420_000, hours: 168, behind: 25 * 60_000, step: "'1' MINUTE" });
    const serve = await startServe(t, shop);
    const browser = await startBrowser(t);
    for (const [colorScheme, name] of [['light', 'dashboard.png'], ['dark', 'dashboard-dark.png']]) {
      const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height: 1000 }, timezoneId: 'UTC', reducedMotion: 'reduce' });
      const page = await context.newPage();
      await page.goto(serve.url);
      await page.waitForSelector('#connection[data-state="live"]');
      await page.waitForSelector('.panel.sessions canvas');
      await page.waitForSelector('.heatmap');
      await page.waitForSelector('[aria-labelledby="trust-checks"] tbody tr');
      await page.waitForFunction(() => /^in 1 min$/.test(document.querySelector('#tile-visitors .small')?.textContent));
      const bottom = await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(document.querySelector('.panel.sessions').getBoundingClientRect().bottom + scrollY)))));
      await page.screenshot({ path: path.join(folder, name), fullPage: true, clip: { x: 0, y: 0, width: 1280, height: Math.round(bottom) + 16 } });
      await context.close();
    }
  } finally {
    for (const end of ends) await end();
  }
}

main(process.argv[2]).then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
