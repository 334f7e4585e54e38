// What programs may show otherwise, as in ../../programs/differences.mjs.
export const DIFFERENCES = [];
