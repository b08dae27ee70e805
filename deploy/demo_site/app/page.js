import Link from 'next/link';
import { price } from '../lib/form.js';
import { books } from '../lib/records.js';

export default async function Books() {
  return (
    <main>
      <h1>Books</h1>
      <ul>
        {(await books()).map((book) => (
          <li key={book.id}>
            <Link href={`/books/${book.id}`} prefetch={false}>{book.title}</Link>{`, ${book.author}: ${price(book.cents)}`}
          </li>
        ))}
      </ul>
    </main>
  );
}
