import type { Random } from '../../src/base/random';
import { misspelt, pick, SERVICE } from './policy-slips';

/** A command line, and which edit made it. */
export interface CommandSlip {
  readonly kind: string;
  readonly args: readonly string[];
}

/** Lines that are typed in a week; FILE is the policy as it is. */
function lines(file: string): readonly (readonly string[])[] {
  return [
    ['policy', 'apply', file, '-m', 'why', '--dc', 'dc1'],
    ['policy', 'apply', file, '-m', 'why'],
    ['weight', SERVICE, 'canary', '25', '--route', 'everyone', '-m', 'why'],
    ['weight', SERVICE, 'canary', '25%', '--route', 'everyone', '-m', 'why', '--dc', 'dc1'],
    ['override', 'set', SERVICE, '--to', 'stable', '--ttl', '30m', '-m', 'why'],
    ['override', 'set', SERVICE, '--datacenter', 'dc1', '--ttl', '30m', '-m', 'why'],
    ['override', 'set', SERVICE, '--to', 'stable', '--datacenter', 'dc1', '--ttl', '30m', '-m', 'why', '--dc', 'dc1'],
    ['policy', 'rollback', SERVICE, '-m', 'why'],
    ['policy', 'rollback', SERVICE, '3', '-m', 'why'],
    ['rollout', 'start', SERVICE, '--weights', '5,25,50', '--canary', 'canary', '--stable', 'stable'],
  ];
}

/** What a line becomes, and which of its words may be edited so. */
interface Kind {
  readonly fits: (word: string) => boolean;
  readonly edit: (line: readonly string[], at: number, random: Random) => readonly string[];
}

const SUBSETS = ['stable', 'canary', 'beta', 'canry', ''];
const NUMBERS = ['250', '-5', '0', '100', '2.5', '2', '99', '0x10', '25 %', '1e2', 'NaN'];
const DATACENTERS = ['dc1', 'dc2', 'dc22', 'DC1', 'all', ''];

const KINDS: Readonly<Record<string, Kind>> = {
  letter: { fits: (word) => !word.startsWith('-'), edit: replaced(misspelt) },
  subset: { fits: (word) => SUBSETS.includes(word), edit: replaced((_, random) => pick(SUBSETS, random)) },
  number: { fits: (word) => /^\d[\d,.%]*$/.test(word), edit: replaced((_, random) => pick(NUMBERS, random)) },
  datacenter: { fits: (word) => DATACENTERS.includes(word), edit: replaced((_, random) => pick(DATACENTERS, random)) },
  flag: { fits: (word) => word.startsWith('--'), edit: replaced(misspelt) },
  lost: { fits: () => true, edit: (line, at) => line.toSpliced(at, 1) },
  swapped: { fits: () => true, edit: (line, at) => line.toSpliced(at, 2, ...line.slice(at, at + 2).reverse()) },
};

function replaced(by: (word: string, random: Random) => string): Kind['edit'] {
  return (line, at, random) => line.with(at, by(line[at] ?? '', random));
}

export function commandSlips(file: string, random: Random, count: number): readonly CommandSlip[] {
  const kinds = Object.entries(KINDS);
  return Array.from({ length: count }, (_, at) => {
    const [kind, { fits, edit }] = kinds[at % kinds.length] as (typeof kinds)[number];
    const places = lines(file).flatMap((line) =>
      line.flatMap((word, place) => {
        // Names of commands are the parser's business, and what a message says is nobody's.
        const isOwn = place >= 2 && line[place - 1] !== '-m' && word !== file;
        return isOwn && fits(word) ? [{ line, place }] : [];
      }),
    );
    const { line, place } = pick(places, random);
    return { kind: `${kind}: ${line.slice(0, 2).join(' ')}`, args: edit(line, place, random) };
  });
}

/** Lines without a slip, as they vary from day to day. */
export function harmlessLines(file: string, random: Random, count: number): readonly CommandSlip[] {
  return Array.from({ length: count }, (_, at) => {
    const args = [...(lines(file)[at % lines(file).length] ?? [])];
    for (const [place, arg] of args.entries()) {
      if (args[0] === 'weight' && /^25%?$/.test(arg)) args[place] = String(Math.floor(random() * 45));
      if (arg === '30m') args[place] = pick(['90s', '2h', '1d'], random);
    }
    return { kind: args.slice(0, 2).join(' '), args };
  });
}
