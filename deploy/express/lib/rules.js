// rules.js: what is logged, and what of it is a secret: as `tally intercept` has it (speed_layer/request_event.c), with options of like names.
'use strict';

const { maskOf } = require('./url_mask.js');

// As IS_FILE_REQUEST: what a browser fetches by itself to show a page.
const FILE_EXTENSIONS = (
  'aac apng avif bmp cjs css cur eot flac gif heic ico jfif jpeg jpg js jxl m4a m4s m4v map mjs mov mp3 mp4 mpeg mpg oga ogg ogv opus ' +
  'otf png svg svgz swf tif tiff ttf wasm wav weba webm webmanifest webp woff woff2'
).split(' ');

const SECRET_HEADERS = (
  'authorization cookie set-cookie proxy-authorization api-key apikey authentication cf-access-jwt-assertion cf-authorization cookie2 private-token ' +
  'x-access-token x-amz-security-token x-amzn-oidc-accesstoken x-amzn-oidc-data x-api-key x-auth-token x-csrf-token x-csrftoken ' +
  'x-forwarded-access-token x-gitlab-token x-goog-iap-jwt-assertion x-ms-token-aad-access-token x-ms-token-aad-id-token x-session-token ' +
  'x-vault-token x-xsrf-token x-forwarded-client-cert'
).split(' ');
// Where proxies put addresses, which an anonymized event must not have either.
const ADDRESS_HEADERS = (
  'cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 client-ip do-connecting-ip fastly-client-ip fly-client-ip forwarded forwarded-for true-client-ip ' +
  'x-appengine-user-ip x-azure-clientip x-azure-socketip x-client-ip x-cluster-client-ip x-envoy-external-address x-forwarded x-forwarded-for ' +
  'x-originating-ip x-original-forwarded-for x-original-host x-real-ip x-remote-addr x-remote-ip x-vercel-forwarded-for'
).split(' ');

const lowered = (list) => list.map((item) => item.toLowerCase());

/** A path, or with a * at its end all that begin so. */
function excludedBy(pattern) {
  if (!/^\/[^*]*\*?$/.test(pattern))
    throw new TypeError(`tally: exclude: '${pattern}' is no path to leave out: one begins with /, and a * may stand at its end`);
  return pattern.endsWith('*') ? (path) => path.startsWith(pattern.slice(0, -1)) : (path) => path === pattern;
}

function rulesOf(options) {
  return {
    secretHeaders: new Set([...SECRET_HEADERS, ...lowered(options.redactHeaders), ...(options.anonymizeIp ? ADDRESS_HEADERS : [])]),
    isSecretParam: maskOf(options.maskParams),
    files: new Set(lowered(options.fileExtensions ?? FILE_EXTENSIONS).map((extension) => extension.replace(/^\./, ''))),
    excluded: options.exclude.map(excludedBy),
    honorDnt: options.honorDnt,
    logLocalhost: options.logLocalhost,
    skip: options.skip,
  };
}

/** Of an absolute URL too; without the query. */
const pathOf = (url) => url.replace(/^[^/?#]*:\/\/[^/?#]*/, '').replace(/[?#].*$/s, '') || '/';

function isFile(path, files) {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot >= 0 && files.has(name.slice(dot + 1).toLowerCase());
}

const isLocalhost = (host) => /^(?:(?:.*\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\]|\[::ffff:(?:127\.|7f)[^\]]*\])$/.test(host);

/** `host` as hostOf gives it. */
function isLogged(rules, req, url, host) {
  if (rules.honorDnt && (req.headers.dnt === '1' || req.headers['sec-gpc'] === '1')) return false;
  if (!rules.logLocalhost && host !== null && isLocalhost(host)) return false;
  const path = pathOf(url);
  return !isFile(path, rules.files) && !rules.excluded.some((isExcluded) => isExcluded(path)) && !rules.skip?.(req);
}

module.exports = { rulesOf, isLogged };
