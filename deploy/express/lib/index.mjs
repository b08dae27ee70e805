import tally from './index.js';

export { tally };
export default tally;
