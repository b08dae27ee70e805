// index.js: the middleware for Express, Connect, and whatever calls (req, res, next).
'use strict';

const { openTally } = require('./open.js');
const { watch } = require('./watch.js');

function tally(options) {
  const opened = openTally(options);
  const middleware = (req, res, next) => {
    watch(req, res, opened);
    next();
  };
  middleware.counts = () => opened.queue.counts();
  middleware.flush = () => opened.queue.flush();
  middleware.close = () => opened.close();
  return middleware;
}

module.exports = tally;
module.exports.tally = tally;
module.exports.default = tally;
