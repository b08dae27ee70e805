// rules.js: what is logged, and what of it is a secret. The same as `tally intercept` does by its options of like names.
'use strict';

const REDACTED = '[redacted]';

// As IS_FILE_REQUEST: what a browser fetches by itself to show a page.
const FILE_EXTENSIONS = (
  'aac apng avif bmp cjs css cur eot flac gif heic ico jfif jpeg jpg js jxl m4a m4s m4v map mjs mov mp3 mp4 mpeg mpg oga ogg ogv opus ' +
  'otf png svg svgz swf tif tiff ttf wasm wav weba webm webmanifest webp woff woff2'
).split(' ');

const SECRET_HEADERS = ['authorization', 'cookie', 'set-cookie', 'proxy-authorization'];
// Where proxies put addresses, which an anonymized event must not have either.
const ADDRESS_HEADERS = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'x-client-ip', 'x-cluster-client-ip', 'true-client-ip', 'cf-connecting-ip', 'fastly-client-ip'];
const SECRET_PARAMS =
  'token access_token refresh_token id_token auth_token csrf_token auth password passwd pwd secret client_secret api_key apikey key session sessionid session_id sid signature sig code jwt'.split(' ');

const lowered = (list) => list.map((item) => String(item).toLowerCase());

function rulesOf(options) {
  return {
    secretHeaders: new Set([...SECRET_HEADERS, ...lowered(options.redactHeaders), ...(options.anonymizeIp ? ADDRESS_HEADERS : [])]),
    secretParams: new Set([...SECRET_PARAMS, ...lowered(options.maskParams)]),
    files: new Set(lowered(options.fileExtensions ?? FILE_EXTENSIONS).map((extension) => extension.replace(/^\./, ''))),
    excluded: options.exclude.map((path) => new RegExp(`^${path.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&')).join('.*')}$`)),
    honorDnt: options.honorDnt,
    logLocalhost: options.logLocalhost,
    skip: options.skip,
  };
}

const pathOf = (url) => url.replace(/[?#].*$/s, '');

function isFile(path, files) {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot >= 0 && files.has(name.slice(dot + 1).toLowerCase());
}

function isLocalhost(host) {
  const name = host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase();
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(name);
}

function isLogged(rules, req, url, host) {
  const path = pathOf(url);
  if (!rules.logLocalhost && host !== undefined && isLocalhost(host)) return false;
  if (isFile(path, rules.files) || rules.excluded.some((pattern) => pattern.test(path))) return false;
  if (rules.honorDnt && (req.headers.dnt === '1' || req.headers['sec-gpc'] === '1')) return false;
  return !rules.skip?.(req);
}

function decoded(name) {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '));
  } catch {
    return name;
  }
}

/** The values of secret query parameters, in a path or a whole URL; all else stays as it was sent. */
function maskParams(url, params) {
  const at = url.indexOf('?');
  if (at < 0) return url;
  const end = url.indexOf('#', at) < 0 ? url.length : url.indexOf('#', at);
  const masked = url.slice(at + 1, end).replace(/([^&;=]*)=([^&;]*)/g, (pair, name) =>
    params.has(decoded(name).trim().toLowerCase().replace(/\[\]$/, '')) ? `${name}=${REDACTED}` : pair);
  return url.slice(0, at + 1) + masked + url.slice(end);
}

module.exports = { rulesOf, isLogged, maskParams, REDACTED };
