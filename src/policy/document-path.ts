import { shorten, shortenMiddle } from '../base/shorten';

const MOST_PATH_CHARACTERS = 200;

/** Where something stands in a document: keys of objects, indexes of lists. */
export type DocumentPath = readonly (string | number)[];

/**
 * `routes[1].split[0].weight`, with keys that are not plain words quoted: `labels["a b"]`. Keys are shortened at their end, a long
 * path in its middle.
 */
export function formatPath(path: DocumentPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]{0,63}$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(shorten(part))}]`;
  }
  return shortenMiddle(text, MOST_PATH_CHARACTERS);
}
