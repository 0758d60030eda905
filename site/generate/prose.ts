/** Characters of a line of prose. Tables, code and addresses may be longer. */
const LINE_CHARACTERS = 120;
/** Words of a sentence, which stays below. */
const SENTENCE_WORDS = 25;

/** Something in a page that is hard to read, by its line. */
export interface Finding {
  readonly line: number;
  readonly what: string;
}

/** A paragraph, an item of a list or a cell of a table. */
interface Block {
  readonly line: number;
  text: string;
}

const FENCE = /^\s*```/;
const ITEM = /^(\s*)([-*+]|\d+[.)]) /;
const TABLE = /^\s*\|/;
/** Ends a paragraph, and is none. */
const APART = /^\s*$|^#|^\s*<|^\s*>|^---/;

/** Lines that are longer than a reader's window. Those of one word, such as an address, cannot be shorter. */
export function longLines(page: string): readonly Finding[] {
  return proseOf(page)
    .filter(({ text }) => text.length > LINE_CHARACTERS && wrapBlock(text).length > 1)
    .map(({ line, text }) => ({ line, what: `${text.length} characters (expected: at most ${LINE_CHARACTERS})` }));
}

/** Sentences that a reader of English as a second language has to read twice. A code span counts as one word. */
export function longSentences(page: string): readonly Finding[] {
  return blocksOf(page).flatMap(({ line, text }) =>
    sentencesOf(text).flatMap((sentence) => {
      const words = sentence.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
      const what = `${words} words (expected: below ${SENTENCE_WORDS}): ${sentence}`;
      return words < SENTENCE_WORDS ? [] : [{ line, what }];
    }),
  );
}

/** The page with its paragraphs and items in lines of at most 120 characters. Code, tables and headings stay. */
export function wrapPage(page: string): string {
  const lines: string[] = [];
  let isCode = false;
  let block: string[] = [];
  const flush = (): void => {
    // What fits stays as somebody wrote it.
    const fits = block.every((line) => line.length <= LINE_CHARACTERS);
    lines.push(...(fits || / {2}$|\\$/m.test(block.join('\n')) ? block : wrapBlock(block.join('\n'))));
    block = [];
  };
  for (const line of page.split('\n')) {
    if (FENCE.test(line)) isCode = !isCode;
    const isProse = !isCode && !FENCE.test(line) && !TABLE.test(line) && !APART.test(line);
    if (!isProse || ITEM.test(line)) flush();
    if (isProse) block.push(line);
    else lines.push(line);
  }
  flush();
  return lines.join('\n');
}

/** One paragraph or item, in lines that continue below its text. */
function wrapBlock(text: string): readonly string[] {
  const [, indent = '', marker = ''] = ITEM.exec(text) ?? /^(\s*)/.exec(text) ?? [];
  const first = marker === '' ? indent : `${indent}${marker} `;
  const further = marker === '' ? indent : `${indent}${' '.repeat(marker.length + 1)}`;
  const lines: string[] = [];
  let line = first;
  for (const word of wordsOf(text.slice(first.length))) {
    const isFirst = line === first || line === further;
    // A line that begins like an item, a heading or a quotation would be one.
    const canBegin = !/^([-*+]|\d+[.)]|#+|>|\|.*)$/.test(word);
    if (!isFirst && canBegin && line.length + 1 + word.length > LINE_CHARACTERS) {
      lines.push(line);
      line = further;
    }
    line += line === first || line === further ? word : ` ${word}`;
  }
  return [...lines, line];
}

/** Words; a code span is one. */
function wordsOf(text: string): readonly string[] {
  return text.match(/(?:`[^`]*`|[^\s`]|`)+/g)?.map((word) => word.replace(/\s+/g, ' ')) ?? [];
}

function sentencesOf(text: string): readonly string[] {
  const plain = text
    .replace(/!\[[^\]]*\]\([^)]*\)/g, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/`[^`]*`/g, 'X')
    .replace(/\*/g, '')
    .replace(/\b(e\.g|i\.e|etc|vs)\./g, '$1');
  return plain.split(/(?<=[.!?:;])\s+/);
}

/** Lines of paragraphs and items. */
function proseOf(page: string): readonly Block[] {
  let isCode = false;
  return page.split('\n').flatMap((text, index) => {
    if (FENCE.test(text)) isCode = !isCode;
    return isCode || FENCE.test(text) || TABLE.test(text) || APART.test(text) ? [] : [{ line: index + 1, text }];
  });
}

function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = [];
  let isCode = false;
  let last: Block | undefined;
  for (const [index, text] of page.split('\n').entries()) {
    const line = index + 1;
    if (FENCE.test(text)) isCode = !isCode;
    if (isCode || FENCE.test(text) || APART.test(text)) last = undefined;
    else if (TABLE.test(text)) {
      last = undefined;
      blocks.push(...text.split(/(?<!\\)\|/).map((cell) => ({ line, text: cell })));
    } else if (ITEM.test(text) || last === undefined) {
      last = { line, text: text.replace(ITEM, '') };
      blocks.push(last);
    } else last.text += ` ${text.trim()}`;
  }
  return blocks;
}
