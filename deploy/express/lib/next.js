// next.js: for Next.js, and whatever else serves by Node's own http without a place for a middleware: called from register() in instrumentation.js.
//
// Node itself tells of each request that a server of this process gets (diagnostics_channel), once, whatever becomes of it: page, route handler,
// server action, redirect or 404. So nothing is wrapped, and what a wrapper would not see, for it is answered before it, is there too.
'use strict';

const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { ServerResponse } = require('node:http');
const { openTally } = require('./open.js');
const { watch } = require('./watch.js');

const CHANNEL = 'http.server.request.start';
// register() may run twice (a development server, two copies of the package): one of them watches.
const HERE = Symbol.for('tally.next');

/** Next registers when the first request is there already, and perhaps others: those that wait for it are found by their sockets. */
function underWay() {
  try {
    const messages = process._getActiveHandles().map((handle) => handle?._httpMessage);
    return messages.filter((message) => message instanceof ServerResponse && message.req !== undefined && !message.headersSent);
  } catch {
    return []; // it is Node's own affair; without it these are not logged
  }
}

function register(options) {
  if (globalThis[HERE] !== undefined) return globalThis[HERE];
  const opened = openTally(options);
  const onRequest = ({ request, response }) => watch(request, response, opened);
  subscribe(CHANNEL, onRequest);
  for (const response of underWay()) onRequest({ request: response.req, response });
  globalThis[HERE] = {
    counts: () => opened.queue.counts(),
    flush: () => opened.queue.flush(),
    close: () => {
      unsubscribe(CHANNEL, onRequest);
      delete globalThis[HERE];
      return opened.close();
    },
  };
  return globalThis[HERE];
}

module.exports = { register };
