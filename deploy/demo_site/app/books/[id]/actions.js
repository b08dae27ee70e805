'use server';

import { revalidatePath } from 'next/cache';
import { reviewOf } from '../../../lib/form.js';
import { addReview } from '../../../lib/records.js';

export async function review(id, form) {
  await addReview(id, reviewOf(form));
  revalidatePath(`/books/${id}`);
}
