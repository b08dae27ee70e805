// sign_in.js: sends a secret once and gets a cookie for it. Whoever has one already came by a link of another site, which does not carry it.
const $ = (id) => document.getElementById(id);
const SAID = { 401: 'That is no secret of this server.', 403: 'A proxy in between has to pass Host on.', 429: 'Too many tries: wait a moment.' };

// What a header can hold are bytes, and a secret may have other letters.
const bytes = (text) => String.fromCharCode(...new TextEncoder().encode(text));

async function ask(headers) {
  const { ok, status } = await fetch('session', { method: 'POST', headers });
  if (ok) {
    try { localStorage.setItem('tally.signed-in', 'yes'); } catch { /* then there is no button to sign out */ }
    location.reload();
  }
  return status;
}

$('sign-in').addEventListener('submit', async (event) => {
  event.preventDefault();
  const [secret, name] = [$('secret').value.trim(), $('name').value];
  $('said').textContent = '';
  try {
    const status = await ask({ authorization: name === '' ? `Bearer ${bytes(secret)}` : `Basic ${btoa(bytes(`${name}:${$('secret').value}`))}` });
    if (status !== 204) $('said').textContent = SAID[status] ?? `The server answered ${status}.`;
  } catch {
    $('said').textContent = 'The server does not answer.';
  }
});
ask({}).catch(() => {});
