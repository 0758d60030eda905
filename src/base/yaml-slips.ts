/** Characters before and after a mistake. */
const MOST_LOOKED_AT = 200;

/**
 * What people most often meant, by the line where reading ended and the one before, in which `_` stands for each text in
 * quotes. The first that fits is told.
 */
const SLIPS: readonly (readonly [RegExp, string])[] = [
  [/\{\{/, 'this looks like a template: what it is rendered to is read'],
  [/^ *(?:\/\/|\/\*)|\s\/\/ /m, 'a comment begins with #'],
  [/^ *\t/m, 'lines are indented by spaces'],
  [/(?:^|[:[,-]) *[@`%]/m, 'text that begins with @, ` or % stands in quotes'],
  [/[:[,-] *[*&](?=[\s\],]|$)/m, 'text that begins with * or & stands in quotes'],
  [/(?:[:[{,-] *|_\w*)"/, 'a " is not closed; inside of two it is written \\"'],
  [/(?:[:[{,-] *|_\w*)'/, "a ' is not closed; inside of two it is written twice"],
  [/\[[^\]\n]*$|\{[^}\n]*$/m, 'a [ or { is not closed'],
  [/^ *(?:- )?[\w.-]+:(?!\/\/)[^\s:]\S*\s*$/m, 'a blank stands between a colon and its value'],
  [/^ *(?:- )?[\w.-]+: [^[{#\n]*: /m, 'text that holds a colon and a blank stands in quotes'],
];

const IN_QUOTES = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*'/g;

/** What was most likely meant where reading ended at `offset`: `a " is not closed`. Undefined: nobody knows. */
export function yamlSlip(text: string, offset: number): string | undefined {
  const ends = text.indexOf('\n', offset);
  const to = Math.min(ends === -1 ? text.length : ends, offset + MOST_LOOKED_AT);
  const before = text.slice(Math.max(0, offset - MOST_LOOKED_AT), offset);
  // Reading may end some blank lines later.
  const isBlank = text.slice(offset, to).trim() === '';
  const at = isBlank ? offset - (before.length - before.trimEnd().length) : offset;
  const begins = text.lastIndexOf('\n', text.lastIndexOf('\n', at - 1) - 1) + 1;
  // A line that no person wrote may be all of the text.
  const from = Math.max(begins, at - MOST_LOOKED_AT);
  const lines = text.slice(from, to).replace(IN_QUOTES, '_');
  const found = SLIPS.find(([pattern]) => pattern.test(lines));
  return found?.[1];
}
