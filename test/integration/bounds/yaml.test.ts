import { expect, it } from 'vitest';
import { printFact } from '../../support/figure';
import { findCostlyTexts, LARGEST } from './cost';
import { INPUTS } from './inputs';

/** A quarter of what is read at all; beyond it nothing becomes dearer. */
const CHARACTERS = LARGEST / 4;

/** Of one piece over and over. */
const many = (piece: string): string => piece.repeat(Math.floor(CHARACTERS / piece.length));
const numbered = (piece: (row: number) => string): string =>
  Array.from({ length: CHARACTERS / 10 }, (_, row) => piece(row))
    .join('')
    .slice(0, CHARACTERS);

/** What no program writes, and somebody may who means harm: every part of the language, again and again. */
const TEXTS: Readonly<Record<string, string>> = {
  'lists in a list': `a: [${many('[],')}]`,
  'items without values in a list': `a: [${many(',')}]`,
  'objects in a list': `a: [${many('{},')}]`,
  'pairs in a list': `a: [${many('a: ,')}]`,
  'numbers in a list': `a: [${many('1,')}]`,
  'texts in a list': `a: [${many('"",')}]`,
  'deep lists in a list': `a: [${many(`${'['.repeat(60)}${']'.repeat(60)},`)}]`,
  'lines in a list that are indented too little': `a: [${many('1, #\n')}]`,
  'comments in a list': `a: [${many('#\n')}]`,
  'lists that are not closed': many('['),
  'objects that are not closed': many('{'),
  items: many('- 1\n'),
  'items without values': many('-\n'),
  'items in items': many('- '),
  'items in items, again and again': many(`${'- '.repeat(100)}\n`),
  'items with comments': `a:\n${many('- 1 #c\n')}`,
  'items after comments': many('- #\n 1\n'),
  'numbers of all kinds': many('- 0x1\n- 1e9\n- .5\n- 0o7\n'),
  'items that are null': many('- ~\n'),
  keys: numbered((row) => `k${row}: 1\n`),
  'keys that are the same': many('a:\n'),
  'keys that are blank': many(':\n'),
  'keys that are marked': many('? a\n'),
  'keys in keys on one line': many('a: '),
  'blank keys in blank keys': many(': '),
  'marked keys in marked keys': many('? '),
  'keys in keys': Array.from({ length: 340 }, (_, row) => `${' '.repeat(row)}a:`).join('\n'),
  colons: many(':'),
  comments: `${many('#\n')}a: 1`,
  'blank lines': `a:${many('\n')} 1`,
  spaces: `a:${many(' ')} 1`,
  tabs: `${many('\t')}a: 1`,
  'lines of one text': `a: x\n${many(' x\n')}`,
  'blank lines in a text': `a: x${many('\n')} y`,
  'lines in quotes': `a: "${many('x\n ')}"`,
  'lines in quotes that are indented too little': `a: "${many('\n')}"`,
  escapes: `a: "${many('\\u0041')}"`,
  'quotes that are not closed': `a: "${many('x ')}`,
  'escaped quotes that are not closed': `a: "${many('\\"')}`,
  'quotes in quotes': `a: '${many("''")}'`,
  'lines that are kept': `a: |\n${many(' x\n')}`,
  'lines that are folded': `a: >\n${many(' x\n')}`,
  'lines that are folded and indented': `a: >\n${many('  x\n y\n')}`,
  anchors: many('- &a\n'),
  'anchors of one value': `a: ${many('&a ')}`,
  aliases: `a: &a 1\nb:\n${many('- *a\n')}`,
  'aliases of nothing': many('- *b\n'),
  'aliases that are merged': many('- <<: *a\n'),
  'aliases of much': `a: &a [${'1,'.repeat(15_000)}]\nb: [${'*a,'.repeat(10_000)}]`,
  tags: many('- !!str\n'),
  'tags that nobody knows': many('- !x 1\n'),
  'one long tag': `a: ${many('!')}`,
  documents: many('---\n'),
  'ends of documents': many('...\n'),
  directives: many('%A\n'),
  versions: `${many('%YAML 1.2\n')}---\na: 1`,
  'what begins no value': many('@'),
  'a long number': `a: ${many('1')}x`,
};

it('no text in YAML costs more than its size', () => {
  const { costly, worstUs, worstBytes } = findCostlyTexts(TEXTS, INPUTS['a policy in YAML'] ?? expect.fail('gone'));
  printFact(
    `${Object.keys(TEXTS).length} hostile texts in YAML`,
    `at most ${worstUs.toFixed(2)} us a byte, ${worstBytes} bytes told`,
  );
  expect(costly).toEqual([]);
}, 120_000);
