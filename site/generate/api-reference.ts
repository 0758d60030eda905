import { type Declaration, declarationsOf, exportedNames } from './declarations';

/** An entry point of the package: `graylane/server` is `server`. */
export interface ApiEntry {
  readonly name: string;
  readonly specifier: string;
  /** Of `dist/NAME.d.ts`. */
  readonly text: string;
}

/** A page for each entry that exports something, and one for the types that only their results lead to. */
export function apiPages(entries: readonly ApiEntry[], types: string): ReadonlyMap<string, string> {
  const declarations = declarationsOf(types);
  const exported = new Set<string>();
  const pages = new Map<string, string>();
  for (const { name, specifier, text } of entries) {
    const names = exportedNames(text).filter((each) => declarations.has(each));
    if (names.length === 0) continue;
    for (const each of names) exported.add(each);
    pages.set(`api-${name}.md`, entryPage(specifier, text, names, declarations));
  }
  const parts = [...declarations.values()].filter(({ name }) => !exported.has(name));
  const intro =
    'Types that no entry exports by name: parts of results and of options. A program reaches them through what it has, ' +
    "such as `Explanation['tiers'][number]`.";
  pages.set('api-parts.md', `# Parts of results and options\n\n${intro}\n\n${parts.map(section).join('\n')}`);
  return pages;
}

function entryPage(
  specifier: string,
  text: string,
  names: readonly string[],
  declarations: ReadonlyMap<string, Declaration>,
): string {
  const intro =
    /^\/\*\*([\s\S]*?)\*\//
      .exec(text)?.[1]
      ?.replace(/^\s*\* ?/gm, '')
      .trim() ?? '';
  const sorted = [...names].map((name) => declarations.get(name)).filter((each) => each !== undefined);
  // What is called comes before what describes it.
  const isCalled = ({ code }: Declaration): boolean => /^(function|class|const|abstract class) /.test(code);
  const ordered = [...sorted.filter(isCalled), ...sorted.filter((each) => !isCalled(each))];
  return `# ${specifier}\n\n${intro}\n\n${ordered.map(section).join('\n')}`;
}

function section({ name, comment, code }: Declaration): string {
  const fence = `\`\`\`ts\n${code}\n\`\`\`\n`;
  return `## ${name}\n\n${comment === '' ? '' : `${escapeHtml(comment)}\n\n`}${fence}`;
}

/** Comments speak of `<service>` outside of code, too. */
export function escapeHtml(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll('<', '&lt;').replaceAll('{{', '&#123;&#123;')))
    .join('');
}
