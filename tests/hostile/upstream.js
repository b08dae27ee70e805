/* upstream.js: Node's HTTP server as a site that writes down what it sees, a line of JSON on stdout for each request: {"from", "method", "target",
 * "headers", "body" (hexadecimal), "complete", "last"}, or {"from", "refused"}. The first line has its port. It ends on SIGTERM. */
'use strict';
const http = require('node:http');

const write = (line) => process.stdout.write(JSON.stringify(line) + '\n');

/* With "direct" clients come themselves, and else through a proxy that says who they are. */
const direct = process.argv[2] === 'direct';

const onRequest = (request, response) => {
  const body = [];
  const from = ((direct ? null : request.headers['x-forwarded-for']) ?? request.socket.remoteAddress).replace('::ffff:', '');
  const seen = (complete) => {
    /* Node reads nothing behind what asks for another protocol, or closes by a trailer. */
    const last = 'upgrade' in request.headers || /connection/i.test(request.rawTrailers.join());
    write({ from, method: request.method, target: request.url, headers: request.rawHeaders, body: Buffer.concat(body).toString('hex'), complete, last });
  };
  request.on('data', (piece) => body.push(piece));
  request.on('end', () => {
    seen(true);
    response.setHeader('Content-Length', 2);
    response.end(request.method === 'HEAD' ? '' : 'ok');
  });
  request.on('close', () => request.complete || seen(false));
};
const server = http.createServer(onRequest);
server.on('checkExpectation', onRequest);
server.on('clientError', (error, socket) => {
  if (error.code !== 'ECONNRESET' && error.code !== 'HPE_INVALID_EOF_STATE') {
    write({ from: (socket.remoteAddress ?? '').replace('::ffff:', ''), refused: `${error.code} ${error.reason ?? error.message}` });
  }
  socket.destroy();
});
/* Whoever only ends his side is answered. */
server.httpAllowHalfOpen = true;
server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () => write({ port: server.address().port }));
process.on('SIGTERM', () => process.exit(0));
