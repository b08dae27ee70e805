import { bookOf, seeOther } from '../../../lib/form.js';
import { addBook, books } from '../../../lib/records.js';

export const dynamic = 'force-dynamic';

export const GET = async () => Response.json(await books());

export async function POST(request) {
  let book;
  try {
    book = bookOf(await request.formData());
  } catch (error) {
    return new Response(`${error.message}\n`, { status: 400 });
  }
  return seeOther(`/books/${await addBook(book)}`);
}
