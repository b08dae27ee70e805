// form.js: what comes from a form, looked at before it goes anywhere. A mistake is an Error with words for the person at the form.
const text = (form, name, max) => {
  const value = String(form.get(name) ?? '').trim();
  if (value === '' || value.length > max) throw new Error(`${name}: 1 to ${max} characters, please`);
  return value;
};

const count = (form, name, max) => {
  const value = Number(form.get(name));
  if (!Number.isInteger(value) || value < 0 || value > max) throw new Error(`${name}: a whole number from 0 to ${max}, please`);
  return value;
};

const cents = (form) => {
  const value = Math.round(Number(form.get('price')) * 100);
  if (!(value >= 0 && value <= 1_000_000)) throw new Error('price: from 0 to 10000, please');
  return value;
};

export const bookOf = (form) => ({ title: text(form, 'title', 200), author: text(form, 'author', 100), ...priceOf(form) });
export const priceOf = (form) => ({ cents: cents(form), stock: count(form, 'stock', 100_000) });
export const reviewOf = (form) => ({ reader: text(form, 'reader', 50), words: text(form, 'words', 1000) });

export const idOf = (param) => (/^[1-9]\d{0,8}$/.test(param) ? Number(param) : null);
export const price = (inCents) => (inCents / 100).toFixed(2);

/** Back to a page, by a relative address: what stands in front of the site knows its name better than the site does. */
export const seeOther = (path) => new Response(null, { status: 303, headers: { location: path } });
