import { idOf, priceOf, seeOther } from '../../../../lib/form.js';
import { changeBook } from '../../../../lib/records.js';

export async function POST(request, { params }) {
  const id = idOf((await params).id);
  let change;
  try {
    change = priceOf(await request.formData());
  } catch (error) {
    return new Response(`${error.message}\n`, { status: 400 });
  }
  if (id === null || !(await changeBook(id, change))) return new Response('there is no such book\n', { status: 404 });
  return seeOther(`/books/${id}`);
}
