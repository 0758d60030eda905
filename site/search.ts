/*
 * How pages are searched: given to the builder, which hands the functions to the browser as text. So each stands alone,
 * and uses nothing from around it.
 */

/** Words by letters and digits; Han characters, which no spaces part, by pieces of two. A single one stands alone. */
export function tokenize(text: string): string[] {
  const tokens: string[] = [];
  for (const [run] of text.normalize('NFKC').matchAll(/\p{Script=Han}+|(?:(?!\p{Script=Han})[\p{L}\p{N}_])+/gu)) {
    if (!/\p{Script=Han}/u.test(run) || run.length === 1) {
      tokens.push(run);
      // `maxAttempts` is found by `attempts`, too.
      const parts = run.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z\d]+/g) ?? [];
      if (parts.length > 1) tokens.push(...parts);
      continue;
    }
    for (let at = 0; at + 1 < run.length; at++) tokens.push(run.slice(at, at + 2));
  }
  return tokens;
}

/** A word as it is compared: in lower case, without endings of the plural; none for words that every question has. */
export function processTerm(term: string): string | false {
  const word = term.toLowerCase();
  const common =
    'a an and are as at be been by can could did do does for from get gets has have how i if in into is it its ' +
    'me my no of on or our should so than that the their them then there they this to was we were what when where which ' +
    'who why will with without would you your';
  const commonHan = '怎么 什么 如何 为何 我的 我们 可以 一个 多少 么办 是否 么把 样把';
  if (common.split(' ').includes(word) || commonHan.split(' ').includes(word)) return false;
  if (/^[a-z]{4,}s$/.test(word) && !/(ss|us|is)$/.test(word)) return word.replace(/ies$/, 'y').replace(/s$/, '');
  return word;
}

/** Guides come before records and lists. */
export function boostDocument(id: string): number {
  if (/\/(decisions\/|changelog|benchmarks|contributing)/.test(id)) return 0.3;
  if (/\/reference\/api-/.test(id)) return 0.3;
  if (/\/(reference|examples)\//.test(id)) return 0.6;
  return 1;
}

export const searchOptions = {
  options: { tokenize, processTerm },
  searchOptions: {
    boost: { title: 4, titles: 2, text: 1 },
    boostDocument,
    prefix: (term: string): boolean => term.length > 3 || /\p{Script=Han}/u.test(term),
    // For slips in long words: `server` is near `service`, and something else.
    fuzzy: (term: string): number => (/^[a-z]{8,}$/.test(term) ? 0.2 : 0),
    weights: { fuzzy: 0.2, prefix: 0.4 },
  },
};
