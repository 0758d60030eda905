/** A page as an index of pages names it. */
export interface ContentsEntry {
  readonly title: string;
  /** From the folder of the index: `canary.md`, `deploy/nomad.md`, `operations.md#what-to-alert-on`, `../README.md`. */
  readonly link: string;
  /** What the page answers; empty: the title says it. */
  readonly answers: string;
}

interface ContentsGroup {
  /** Undefined: the entries that stand right below the part's heading. */
  readonly title: string | undefined;
  readonly entries: readonly ContentsEntry[];
}

/** Learn, do, know, why. */
export interface ContentsPart {
  readonly title: string;
  /** The sentence below the heading. */
  readonly says: string;
  readonly groups: readonly ContentsGroup[];
}

const ENTRY = /^(?:-|\d+\.) \[([^\]]+)\]\(([^)]+)\)(?:(?:: |：)(.+))?$/;

/**
 * Reads an index of pages (`docs/README.md`): parts are headings of the second level, groups those of the third, pages are
 * items with a link. The order is the one to read in. Throws on an item that is none.
 */
export function parseContents(markdown: string): readonly ContentsPart[] {
  const parts: { title: string; says: string; groups: { title: string | undefined; entries: ContentsEntry[] }[] }[] =
    [];
  for (const [index, line] of markdown.split('\n').entries()) {
    const part = parts.at(-1);
    const [, hashes, title] = /^(##|###) (.+)$/.exec(line) ?? [];
    if (hashes === '##') parts.push({ title: `${title}`, says: '', groups: [{ title: undefined, entries: [] }] });
    else if (part === undefined) continue;
    else if (hashes === '###') part.groups.push({ title, entries: [] });
    else if (/^(-|\d+\.) /.test(line)) part.groups.at(-1)?.entries.push(readEntry(line, index + 1));
    else if (line !== '' && part.says === '') part.says = line;
  }
  return parts.map((part) => ({ ...part, groups: part.groups.filter(({ entries }) => entries.length > 0) }));
}

function readEntry(line: string, at: number): ContentsEntry {
  const [, title, link, answers = ''] = ENTRY.exec(line) ?? [];
  if (title === undefined || link === undefined) {
    throw new Error(`line ${at}: ${line} (expected: - [Title](page.md): what it answers)`);
  }
  return { title, link, answers };
}

/** Every entry, in the order to read in. */
export function entriesOf(parts: readonly ContentsPart[]): readonly ContentsEntry[] {
  return parts.flatMap(({ groups }) => groups.flatMap(({ entries }) => entries));
}
