// client.js: who sent a request: the address behind the proxies that are trusted, and the host that was asked for. As speed_layer/client.h does it.
'use strict';

const net = require('node:net');

const NAMED = {
  loopback: ['127.0.0.0/8', '::1'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', 'fc00::/7', 'fe80::/10'],
};

const family = (ip) => (net.isIPv4(ip) ? 'ipv4' : 'ipv6');

/** '::ffff:203.0.113.7', '203.0.113.7:4711', '[2001:db8::1]:4711' -> the address alone; null: it is none. */
function address(text) {
  let ip = text.trim().replace(/^"|"$/g, '');
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(ip);
  if (bracketed) ip = bracketed[1];
  else if (/^[\d.]+:\d+$/.test(ip)) ip = ip.slice(0, ip.indexOf(':'));
  ip = ip.replace(/^::ffff:(?=[\d.]+$)/i, '').replace(/%.*$/, ''); // fe80::1%eth0: the network card is the machine's own affair
  return net.isIP(ip) ? ip.toLowerCase() : null;
}

/** A list of networks: '10.0.0.0/8', '::1', 'loopback', 'private'. */
function trust(list) {
  const networks = new net.BlockList();
  for (const item of list.flatMap((name) => NAMED[name] ?? [name])) {
    const [ip, bits] = String(item).split('/');
    const widest = net.isIPv4(ip) ? 32 : 128;
    const prefix = bits === undefined ? widest : Number(bits);
    if (!net.isIP(ip) || !Number.isInteger(prefix) || prefix < 0 || prefix > widest || bits === '')
      throw new TypeError(`tally: trustProxy: '${item}' is no network; '10.0.0.0/8', '::1', 'loopback' and 'private' are`);
    networks.addSubnet(ip, prefix, family(ip));
  }
  return list.length === 0 ? () => false : (ip) => ip !== null && networks.check(ip, family(ip));
}

const isHost = (text) => /^[a-z0-9\-._:[\]]{1,261}$/i.test(text);

/** for="[2001:db8::1]:4711";proto=https;host=x.com */
function hopOf(element) {
  const said = (name) => new RegExp(`(?:^|;)\\s*${name}=(?:"([^"\\\\]*)"|([^;"]*))\\s*(?:;|$)`, 'i').exec(element);
  const text = (match) => (match?.[1] ?? match?.[2] ?? '').trim();
  return { node: text(said('for')), host: text(said('host')) };
}

/** What proxies say, the nearest last: X-Forwarded-For and -Host, and where there is no X-Forwarded-For Forwarded (RFC 7239). */
function hopsOf(headers) {
  const list = headers['x-forwarded-for'];
  if (list === undefined && headers.forwarded !== undefined) return headers.forwarded.match(/(?:"(?:\\.|[^"\\])*"|[^",])+/g)?.map(hopOf) ?? [];
  return (list ?? '').split(',').filter(Boolean).map((node) => ({ node: node.trim(), host: '' }));
}

/** {ip, host}: read from the right, the first address that is not trusted itself; null and undefined where nothing is known. */
function clientOf(req, isTrusted) {
  const peer = address(req.socket?.remoteAddress ?? '');
  const client = { ip: peer, host: req.headers.host ?? req.headers[':authority'] };
  if (!isTrusted(peer)) return client;
  let steps = 0;
  for (const hop of hopsOf(req.headers).reverse()) {
    steps++;
    if (isHost(hop.host)) client.host = hop.host;
    const before = address(hop.node);
    if (before === null) break;
    client.ip = before;
    if (!isTrusted(before)) break;
  }
  // A proxy adds to both lists, or sets the second alone.
  const hosts = req.headers['x-forwarded-host']?.split(',') ?? [];
  const host = hosts[Math.max(0, hosts.length - Math.max(1, steps))]?.trim() ?? '';
  if ((req.headers['x-forwarded-for'] !== undefined || req.headers.forwarded === undefined) && isHost(host)) client.host = host;
  return client;
}

/** As ANONYMIZE_IP: the last byte of IPv4 is 0, of IPv6 the first 48 bits are kept. */
function anonymize(ip) {
  if (ip === null) return null;
  if (net.isIPv4(ip)) return ip.replace(/\d+$/, '0');
  const [head, tail] = ip.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail ? tail.split(':') : [];
  const groups = tail === undefined ? left : [...left, ...Array(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right];
  return new URL(`http://[${groups.slice(0, 3).join(':')}::]/`).hostname.slice(1, -1);
}

module.exports = { clientOf, trust, anonymize };
