// records.js: the shop's books and what readers say of them, in PostgreSQL where DATABASE_URL says so, else in the SQLite file SITE_DB.
//
// One small statement language for both: $1, $2 ... are the values, RETURNING and ON CONFLICT mean the same in both.
const TABLES = [
  `CREATE TABLE IF NOT EXISTS book (id INTEGER PRIMARY KEY, title TEXT NOT NULL, author TEXT NOT NULL,
     cents INTEGER NOT NULL, stock INTEGER NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS review (id INTEGER PRIMARY KEY, book INTEGER NOT NULL, reader TEXT NOT NULL, words TEXT NOT NULL)`,
];
const FIRST_BOOKS = [
  [1, 'The Art of Counting', 'M. Abacus', 1900, 12],
  [2, 'Streams and Lakes', 'R. Delta', 2450, 7],
  [3, 'A Short History of Tally Sticks', 'E. Notch', 1250, 30],
  [4, 'Late Events', 'W. Mark', 3100, 3],
];

async function postgres(url) {
  const { default: pg } = await import('pg');
  const schema = new URL(url).searchParams.get('schema');
  const pool = new pg.Pool({ connectionString: url, max: 5, options: schema ? `-c search_path=${schema}` : undefined });
  if (schema) await pool.query(`CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(schema)}`);
  return async (text, values = []) => (await pool.query(text, values)).rows;
}

async function sqlite(file) {
  const { default: wasm } = await import('node-sqlite3-wasm');
  const db = new wasm.Database(file);
  return async (text, values = []) => db.all(text.replace(/\$(\d+)/g, '?$1'), values);
}

async function open() {
  const query = process.env.DATABASE_URL ? await postgres(process.env.DATABASE_URL) : await sqlite(process.env.SITE_DB ?? 'site.db');
  for (const table of TABLES) await query(table);
  for (const book of FIRST_BOOKS)
    await query('INSERT INTO book (id, title, author, cents, stock) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING', book);
  return query;
}

// One a process: each page is a bundle of its own, and has this module for itself.
const query = async (...args) => (await (globalThis.tallyDemoRecords ??= open()))(...args);

export const books = () => query('SELECT id, title, author, cents, stock FROM book ORDER BY id');

export async function book(id) {
  const [found] = await query('SELECT id, title, author, cents, stock FROM book WHERE id = $1', [id]);
  return found ?? null;
}

export const reviews = (id) => query('SELECT id, reader, words FROM review WHERE book = $1 ORDER BY id DESC LIMIT 20', [id]);

/** The new book's id. */
export async function addBook({ title, author, cents, stock }) {
  const next = '(SELECT COALESCE(MAX(id), 0) + 1 FROM book)';
  const [made] = await query(`INSERT INTO book (id, title, author, cents, stock) VALUES (${next}, $1, $2, $3, $4) RETURNING id`, [title, author, cents, stock]);
  return made.id;
}

/** false: there is no such book. */
export async function changeBook(id, { cents, stock }) {
  const changed = await query('UPDATE book SET cents = $1, stock = $2 WHERE id = $3 RETURNING id', [cents, stock, id]);
  return changed.length > 0;
}

export async function addReview(id, { reader, words }) {
  await query('INSERT INTO review (id, book, reader, words) VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM review), $1, $2, $3)', [id, reader, words]);
}
