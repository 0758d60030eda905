const SHOWN_CHARACTERS = 60;

/** Where something stands in a document: keys of objects, indexes of lists. */
export type DocumentPath = readonly (string | number)[];

/** `routes[1].split[0].weight`, with keys that are not plain words quoted: `labels["a b"]`. */
export function formatPath(path: DocumentPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${shorten(JSON.stringify(part))}]`;
  }
  return text;
}

/** Cuts what is shown of a text. */
export function shorten(text: string): string {
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}...`;
}
