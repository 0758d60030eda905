const SHOWN_CHARACTERS = 60;

/** Cuts what is shown of a text. */
export function shorten(text: string): string {
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}...`;
}

/** At most `most` characters: where there are more, the first and the last. */
export function shortenMiddle(text: string, most: number): string {
  if (text.length <= most) return text;
  const half = (most - 3) >> 1;
  return `${text.slice(0, half)}...${text.slice(-half)}`;
}
