// express.test.js: the middleware in real Express sites, of both major versions: what an event has, what is not logged, what is a secret.
'use strict';

const assert = require('node:assert/strict');
const http = require('node:http');
const { describe, test, before, after } = require('node:test');
const tally = require('../lib/index.js');
const { collector, listening, send, until } = require('./support/servers.js');

for (const version of ['express', 'express4'])
  describe(version, () => {
    const express = require(version);
    let taken, site, port, log;

    async function start(options = {}) {
      const middleware = tally({ collect: taken.url, token: 'shop-token', signals: false, closeMs: 60_000, answerMs: 60_000, log: (line) => log.push(line), ...options });
      const app = express();
      app.use(middleware);
      app.get('/page', (req, res) => res.send('hello'));
      app.get('/stream', (req, res) => {
        res.write('a');
        res.end('b');
      });
      app.post('/books', express.json(), (req, res) => res.redirect(303, '/page'));
      app.get('/fails', () => {
        throw new Error('broken on purpose');
      });
      app.use((error, req, res, next) => res.status(500).send('sorry'));
      site = http.createServer(app);
      port = await listening(site);
      return middleware;
    }

    async function eventsOf(options, requests) {
      taken.events.length = 0;
      const middleware = await start(options);
      for (const request of requests) await send(port, request);
      await middleware.close();
      site.close();
      return taken.events;
    }

    before(async () => {
      log = [];
      taken = await collector();
    });
    after(() => taken.close());

    test('an event has all that the interceptor writes', async () => {
      const headers = { referer: 'https://search.example/?q=books', 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)', 'x-two': ['1', '2'] };
      const earliest = Date.now();
      const [event] = await eventsOf({}, [{ path: '/page?a=1&b=2', headers }]);
      const { event_id, event_time, duration_ms, headers: text, ...rest } = event;
      assert.deepEqual(rest, {
        url: '/page?a=1&b=2', method: 'GET', referrer: 'https://search.example/?q=books', user_agent: 'Mozilla/5.0 (X11; Linux x86_64)',
        host: 'shop.example.com', ip: '127.0.0.1', status: 200, bytes: 5,
      });
      assert.match(event_id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.equal(parseInt(event_id.replace('-', '').slice(0, 12), 16), Date.parse(event_time));
      assert.match(event_time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.ok(Date.parse(event_time) >= earliest && Date.parse(event_time) <= Date.now());
      assert.ok(Number.isInteger(duration_ms) && duration_ms >= 0);
      const said = JSON.parse(text);
      assert.equal(said['user-agent'], headers['user-agent']);
      assert.equal(said['x-two'], '1, 2');
      assert.equal(taken.requests[0].headers.authorization, 'Bearer shop-token');
      assert.equal(taken.requests[0].headers['content-type'], 'application/json');
    });

    test('answers of every kind: length stated, streamed, redirected, missing, failed', async () => {
      const events = await eventsOf({}, [
        { path: '/page' }, { path: '/stream' }, { path: '/books', method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' },
        { path: '/nowhere' }, { path: '/fails' }, { path: '/page', method: 'HEAD' },
      ]);
      assert.deepEqual(events.map((event) => [event.method, event.url, event.status]), [
        ['GET', '/page', 200], ['GET', '/stream', 200], ['POST', '/books', 303], ['GET', '/nowhere', 404], ['GET', '/fails', 500], ['HEAD', '/page', 200],
      ]);
      assert.deepEqual(events.map((event) => event.bytes).slice(0, 2), [5, null]);
      assert.equal(events[4].bytes, 5);
    });

    test('secrets do not leave the site', async () => {
      const secret = 'hunter2';
      const events = await eventsOf({ redactHeaders: ['X-Internal'], maskParams: ['voucher'] }, [
        {
          path: `/page?token=${secret}&q=1&PassWord=${secret}&%70assword=${secret}&api_key=${secret}&voucher=${secret}&empty`,
          headers: {
            authorization: `Bearer ${secret}`, cookie: `session=${secret}`, 'proxy-authorization': `Basic ${secret}`, 'x-internal': secret,
            referer: `https://shop.example.com/reset?access_token=${secret}&page=2`, 'x-fine': 'stays',
          },
        },
      ]);
      assert.doesNotMatch(JSON.stringify(events), /hunter2/);
      assert.equal(events[0].url, '/page?token=[redacted]&q=1&PassWord=[redacted]&%70assword=[redacted]&api_key=[redacted]&voucher=[redacted]&empty');
      assert.equal(events[0].referrer, 'https://shop.example.com/reset?access_token=[redacted]&page=2');
      const headers = JSON.parse(events[0].headers);
      for (const name of ['authorization', 'cookie', 'proxy-authorization', 'x-internal']) assert.equal(headers[name], '[redacted]');
      assert.equal(headers['x-fine'], 'stays');
      assert.doesNotMatch(headers.referer, /hunter2/);
    });

    test('files, localhost, excluded paths and what is skipped are served and not logged', async () => {
      const options = { exclude: ['/health', '/admin/*'], skip: (req) => req.headers['x-probe'] === '1' };
      const events = await eventsOf(options, [
        { path: '/style.css?v=2' }, { path: '/IMG.PNG' }, { path: '/health' }, { path: '/admin/users/1' }, { path: '/page', headers: { 'x-probe': '1' } },
        { path: '/page', headers: { host: 'localhost:3000' } }, { path: '/page', headers: { host: '127.0.0.1' } }, { path: '/page', headers: { host: '[::1]:80' } },
        { path: '/page', headers: { host: 'app.localhost.' } }, { path: '/page', headers: { host: '[::ffff:127.0.0.1]' } }, { path: '/healthy' }, { path: '/page?file=a.css' },
      ]);
      assert.deepEqual(events.map((event) => event.url), ['/healthy', '/page?file=a.css']);
      const all = await eventsOf({ fileExtensions: [], logLocalhost: true }, [{ path: '/style.css' }, { path: '/page', headers: { host: 'localhost' } }]);
      assert.equal(all.length, 2);
    });

    test('Do-Not-Track is honoured where that was asked for', async () => {
      const requests = [{ path: '/1', headers: { dnt: '1' } }, { path: '/2', headers: { 'sec-gpc': '1' } }, { path: '/3', headers: { dnt: '0' } }];
      assert.deepEqual((await eventsOf({ honorDnt: true }, requests)).map((event) => event.url), ['/3']);
      assert.equal((await eventsOf({}, requests)).length, 3);
    });

    test('the client behind proxies that are trusted, and no other', async () => {
      const requests = [{ headers: { 'x-forwarded-for': '198.51.100.1, 203.0.113.7, 10.1.2.3', 'x-forwarded-host': 'www.example.com' } }];
      const by = async (headers) => (await eventsOf({ trustProxy: ['loopback'] }, [{ headers }]))[0];
      const spoken = await by({ forwarded: 'for=198.51.100.1;host=a.example, for="[2001:DB8::1]:4711";proto=https;host="b.example:443"' });
      assert.deepEqual([spoken.ip, spoken.host], ['2001:db8::1', 'b.example']);
      const [plain] = await eventsOf({}, requests);
      assert.deepEqual([plain.ip, plain.host], ['127.0.0.1', 'shop.example.com']);
      const [behind] = await eventsOf({ trustProxy: ['loopback', '10.0.0.0/8'] }, requests);
      assert.deepEqual([behind.ip, behind.host], ['203.0.113.7', 'www.example.com']);
      const [cut] = await eventsOf({ trustProxy: ['loopback', '10.0.0.0/8'], anonymizeIp: true }, requests);
      assert.equal(cut.ip, '203.0.113.0');
      assert.doesNotMatch(JSON.stringify(cut), /203\.0\.113\.7|198\.51\.100\.1/);
    });

    test('a host without its port, in lower case', async () => {
      const [event] = await eventsOf({}, [{ headers: { host: 'WWW.Example.COM.:8080' } }]);
      assert.equal(event.host, 'www.example.com');
    });

    test('bytes that are no UTF-8, and those that are', async () => {
      const [event] = await eventsOf({}, [{ path: '/page', headers: { 'user-agent': Buffer.from('Größe').toString('latin1'), referer: 'http://a.example/\xff' } }]);
      assert.equal(event.user_agent, 'Größe');
      assert.equal(event.referrer, 'http://a.example/\ufffd');
    });

    test('what is longer than a collector takes is cut', async () => {
      const [event] = await eventsOf({}, [{ path: `/${'x'.repeat(9000)}`, headers: { 'user-agent': Buffer.from('ü'.repeat(2100) + 'x').toString('latin1') } }]);
      assert.deepEqual([event.url.length, event.user_agent.length], [8192, 2048]);
    });

    test('a middleware that is there twice counts once', async () => {
      taken.events.length = 0;
      const middleware = tally({ collect: taken.url, signals: false, closeMs: 60_000 });
      const app = express();
      app.use(middleware, middleware);
      app.get('/', (req, res) => res.send('x'));
      site = http.createServer(app);
      await send(await listening(site), {});
      await middleware.close();
      site.close();
      assert.equal(taken.events.length, 1);
    });

    test('an answer that never comes: the event leaves without it', async () => {
      taken.events.length = 0;
      const middleware = tally({ collect: taken.url, signals: false, closeMs: 60_000, answerMs: 20 });
      const app = express();
      app.use(middleware);
      app.get('/', () => {}); // no answer
      site = http.createServer(app);
      const request = http.get({ port: await listening(site), host: '127.0.0.1', headers: { host: 'shop.example.com' } });
      request.on('error', () => {});
      await until(() => middleware.counts().received === 1);
      request.destroy();
      await middleware.close();
      site.close();
      assert.deepEqual([taken.events[0].status, taken.events[0].duration_ms, taken.events[0].bytes], [null, null, null]);
    });
  });
