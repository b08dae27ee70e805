import next from './next.js';

export const { register } = next;
