// site.js COLLECTOR HOW: a site of its own process, which prints its port and ends in the way that HOW says.
'use strict';

const http = require('node:http');
const express = require('express');
const tally = require('../../lib/index.js');

const [collect, how] = process.argv.slice(2);
const app = express();
app.use(tally({ collect, closeMs: 30_000 }));
app.get('/end', () => {
  setImmediate(() => {
    if (how === 'process.exit') process.exit(4);
    throw new Error('uncaught on purpose');
  });
});
app.get(/.*/, (req, res) => res.send('ok'));
const server = http.createServer(app).listen(0, '127.0.0.1', () => console.log(server.address().port));
if (how === 'SIGTERM, and the site listens too') process.on('SIGTERM', () => server.close(() => process.exit(0)));
