/** A fenced block of a page. */
export interface Block {
  /** As the fence names it; empty: none. */
  readonly language: string;
  readonly text: string;
  /** The number of the line, from 1, that opens it. */
  readonly line: number;
}

/** The fenced blocks of a page's text, in their order. Throws where one does not end. */
export function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: { readonly language: string; readonly from: number } | undefined;
  const lines = page.split('\n');
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith('```')) continue;
    if (open === undefined) open = { language: line.slice(3).trim(), from: index + 1 };
    else {
      blocks.push({ language: open.language, text: lines.slice(open.from, index).join('\n'), line: open.from });
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`line ${open.from}: a fence that does not end`);
  return blocks;
}
