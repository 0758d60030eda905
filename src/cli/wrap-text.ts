import { stripVTControlCharacters } from 'node:util';

/** Two columns wide in a terminal. */
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/g;
/** What follows the first line of a wrapped one stands so much further in. */
const HANGING = 2;

/** Columns of a terminal; colours take none. */
export function visibleWidth(text: string): number {
  const plain = stripVTControlCharacters(text);
  return plain.length + (plain.match(WIDE)?.length ?? 0);
}

/** Breaks a text between words, so that no line is wider than `width` unless a word is. */
export function wrapText(text: string, width: number): readonly string[] {
  return text.split('\n').flatMap((line) => wrapLine(line, width, ''));
}

/** The same for free text of a command: what a line is continued by is indented a little more than the line. */
export function wrapLines(text: string, width: number): readonly string[] {
  return text.split('\n').flatMap((line) => {
    if (visibleWidth(line) <= width) return [line];
    const indent = stripVTControlCharacters(line).search(/[^ ]/);
    const hanging = indent + HANGING > width / 2 ? 0 : indent + HANGING;
    return wrapLine(line, width, ' '.repeat(hanging));
  });
}

function wrapLine(line: string, width: number, hanging: string): readonly string[] {
  const lines: string[] = [];
  for (const word of line.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined) lines.push(word);
    else if (visibleWidth(last) + 1 + visibleWidth(word) <= width) lines.push(`${lines.pop()} ${word}`);
    // Spaces that stand at the break are not wanted on either side of it.
    else if (word !== '') lines.push(visibleWidth(hanging) + visibleWidth(word) <= width ? `${hanging}${word}` : word);
  }
  return lines.map((each) => each.trimEnd());
}
