import { notFound } from 'next/navigation';
import { idOf, price } from '../../../lib/form.js';
import { book as bookById, reviews } from '../../../lib/records.js';
import { review } from './actions.js';

export default async function Book({ params }) {
  const id = idOf((await params).id);
  const book = id === null ? null : await bookById(id);
  if (book === null) notFound();
  return (
    <main>
      <h1>{book.title}</h1>
      <p>{`by ${book.author}`}</p>
      <p id="price">{`Price: ${price(book.cents)}`}</p>
      <p id="stock">{`In stock: ${book.stock}`}</p>
      <form method="post" action={`/api/books/${id}`}>
        <label>Price <input name="price" defaultValue={price(book.cents)} /></label>
        <label>Stock <input name="stock" defaultValue={book.stock} /></label>
        <button>Change</button>
      </form>
      <h2>Readers</h2>
      <ul>
        {(await reviews(id)).map(({ id: number, reader, words }) => (
          <li key={number}>{`${reader}: ${words}`}</li>
        ))}
      </ul>
      <form action={review.bind(null, id)}>
        <label>Name <input name="reader" /></label>
        <label>Words <input name="words" /></label>
        <button>Say</button>
      </form>
    </main>
  );
}
