// visitors.js: people and crawlers in the bookshop, for the demo: real requests over connections that stay open.
//
// node visitors.js URL SECONDS [SEED]      prints one line of JSON: what it has asked for, and what came of it
'use strict';

const http = require('node:http');

const [, , base, seconds, seed = '7'] = process.argv;
const PACE_MS = 250; // between two clicks of one visitor
const VISITORS = 16;
const BROWSERS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15',
  'Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36',
];
const CRAWLERS = [
  'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
  'Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)',
  'Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)',
];
const HOSTS = ['shop.example.com', 'shop.example.com', 'shop.example.com', 'www.example.com'];
const REFERRERS = ['https://www.google.com/', 'https://duckduckgo.com/', 'https://news.example.net/books?id=3', undefined];

// The same visitors for the same seed (mulberry32).
let state = Number(seed) >>> 0;
function chance() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(chance() * n);
const oneOf = (list) => list[below(list.length)];

const agent = new http.Agent({ keepAlive: true, maxSockets: VISITORS });
const done = { pages: 0, updates: 0, files: 0, not_found: 0, failed: 0 };

function ask(visitor, kind, method, path, body) {
  const headers = { host: visitor.host, 'user-agent': visitor.agent, 'x-forwarded-for': visitor.ip, 'accept-language': 'en' };
  if (visitor.page) headers.referer = visitor.page;
  if (body !== undefined) Object.assign(headers, { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) });
  return new Promise((resolve) => {
    const req = http.request(base + path, { method, agent, headers }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (part) => (text += part));
      res.on('end', () => {
        done[res.statusCode < 400 ? kind : res.statusCode === 404 ? 'not_found' : 'failed']++;
        visitor.page = `https://${visitor.host}${path}`;
        resolve(text);
      });
    });
    req.on('error', () => {
      done.failed++;
      resolve('');
    });
    req.end(body);
  });
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function comes(number, end) {
  const isCrawler = number % 5 === 4;
  const visitor = {
    host: oneOf(HOSTS),
    agent: oneOf(isCrawler ? CRAWLERS : BROWSERS),
    ip: number % 4 === 3 ? `2001:db8::${(number + 1).toString(16)}` : `203.0.113.${number + 1}`,
    page: oneOf(REFERRERS),
  };
  await wait(below(PACE_MS));
  const first = await ask(visitor, 'pages', 'GET', '/');
  const file = /src="(\/_next\/static\/[^"]*\.js)"/.exec(first);
  if (file && !isCrawler) await ask(visitor, 'files', 'GET', file[1]);
  for (let clicks = 2 + below(12); clicks > 0 && Date.now() < end; clicks--) {
    await wait(PACE_MS / 2 + below(PACE_MS));
    const what = chance();
    if (what < 0.75 || isCrawler) await ask(visitor, 'pages', 'GET', `/books/${1 + below(4)}`);
    else if (what < 0.9) await ask(visitor, 'updates', 'POST', `/api/books/${1 + below(4)}`, `price=${10 + below(20)}.50&stock=${below(40)}`);
    else if (what < 0.95) await ask(visitor, 'updates', 'POST', '/api/books', `title=Notes+${number}&author=A+Reader&price=5&stock=1`);
    else await ask(visitor, 'not_found', 'GET', '/books/999');
  }
}

async function main() {
  const end = Date.now() + Number(seconds) * 1000;
  let number = 0;
  await Promise.all(
    Array.from({ length: VISITORS }, async () => {
      while (Date.now() < end) await comes(number++, end);
    }),
  );
  agent.destroy();
  console.log(JSON.stringify({ visits: number, ...done }));
}

main();
