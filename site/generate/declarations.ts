/** What a file of declarations declares at its top. */
export interface Declaration {
  readonly name: string;
  /** Of its doc comment, without the marks; empty: none. */
  readonly comment: string;
  /** As declared, without `export declare`. */
  readonly code: string;
  readonly members: ReadonlyMap<string, string>;
}

const HEAD = /^(?:export )?(?:declare )?(?:abstract )?(?:interface|class|type|const|function) (\w+)/;
const MEMBER = /^ {4}(?:readonly |static |get )*(\w+)\??(?=[:(<])/;

/** The declarations of a rolled-up `.d.ts`, in their order. Overloads of a function are one declaration. */
export function declarationsOf(text: string): ReadonlyMap<string, Declaration> {
  const found = new Map<string, Declaration>();
  for (const part of text.split(/\n\n(?=\/\*\*|export |declare )/)) {
    const [, doc = '', code = ''] = /^(\/\*\*[\s\S]*?\*\/\n)?([\s\S]*)$/.exec(part) ?? [];
    const name = HEAD.exec(code)?.[1];
    if (name === undefined) continue;
    const before = found.get(name);
    const plain = code
      .trimEnd()
      .replace(/^export |^declare /, '')
      .replace(/^declare /, '');
    found.set(name, {
      name,
      comment: before?.comment ?? plainComment(doc),
      code: before === undefined ? plain : `${before.code}\n${plain}`,
      members: membersOf(code),
    });
  }
  return found;
}

/** The text of a doc comment, on one line for each paragraph. */
function plainComment(doc: string): string {
  return doc
    .replace(/^\s*\/\*\*\s?|\s*\*\/\s*$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trim())
    .join('\n')
    .trim()
    .replace(/\n(?!\n|- )(?<!\n\n)/g, ' ')
    .replace(/\{@link (\w+)(?:[^}]*)\}/g, '`$1`');
}

/** By name the comment of each member of an interface. */
function membersOf(code: string): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  let doc: string[] | undefined;
  let last = '';
  for (const line of code.split('\n')) {
    if (/^ {4}\/\*\*/.test(line)) doc = [];
    if (doc !== undefined) {
      doc.push(line);
      if (line.includes('*/')) {
        last = plainComment(doc.join('\n'));
        doc = undefined;
      }
      continue;
    }
    const name = MEMBER.exec(line)?.[1];
    if (name === undefined) continue;
    members.set(name, last);
    last = '';
  }
  return members;
}

/** The names that an entry exports, in its order: of `export { type A, b } from './types'`. */
export function exportedNames(entry: string): readonly string[] {
  return [...entry.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names = '']) =>
    names
      .split(',')
      .map((name) => name.trim().replace(/^type /, ''))
      .filter((name) => name !== ''),
  );
}
