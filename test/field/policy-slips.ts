import { stringify } from 'yaml';
import type { Random } from '../../src/base/random';
import { graySplit } from '../support/gray-policy';

type Doc = Record<string, unknown>;

/** One edit of a valid policy: as text, since some slips are of the text. */
export interface Slip {
  readonly kind: string;
  readonly text: string;
}

export const SERVICE = 'payments';

export function basePolicy(): Doc {
  return {
    schema: 1,
    service: SERVICE,
    subsets: {
      stable: { tags: ['stable'], meta: { version: 'v1' } },
      canary: { tags: ['canary'], fallback: 'stable' },
      beta: { filter: 'Service.Meta.lane == beta and "beta" in Service.Tags' },
    },
    default: 'stable',
    routes: [
      { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true },
      { name: 'beta', match: { labels: { 'x-lane': 'beta' } }, to: 'beta' },
      { name: 'vip', match: { labels: { 'x-tier': { in: ['vip', 'staff'] } } }, to: 'stable' },
      {
        name: 'everyone',
        match: { labels: { 'x-user-id': { present: true } } },
        split: graySplit(30),
        stickBy: 'x-user-id',
      },
    ],
    locality: { failover: ['dc2'] },
  };
}

/** Labels of the calls that meet every route of the policy; all are answered under the policy as it was. */
export const CALLS: readonly Readonly<Record<string, string>>[] = [
  {},
  { 'x-gray': 'canary' },
  { 'x-lane': 'beta' },
  { 'x-tier': 'vip' },
  ...Array.from({ length: 12 }, (_, at) => ({ 'x-user-id': `u-${at}` })),
];

/** Slips of the pen and of the mind, drawn from `random`. */
export function slips(random: Random, count: number): readonly Slip[] {
  const kinds = Object.entries(SLIPS);
  return Array.from({ length: count }, (_, at) => {
    const [kind, slip] = kinds[at % kinds.length] as (typeof kinds)[number];
    return { kind, text: slip(random) };
  });
}

/** Edits that people make all the time, and that take nobody's instances away. */
export function harmlessEdits(random: Random, count: number): readonly Slip[] {
  const kinds = Object.entries(HARMLESS);
  return Array.from({ length: count }, (_, at) => {
    const [kind, edit] = kinds[at % kinds.length] as (typeof kinds)[number];
    const document = structuredClone(basePolicy());
    edit(document, random);
    return { kind, text: stringify(document) };
  });
}

// biome-ignore lint/suspicious/noExplicitAny: documents are edited as people do, where they like.
type Loose = any;

const SLIPS: Readonly<Record<string, (random: Random) => string>> = {
  tag: edited((doc, random) => {
    const subset = pick(['stable', 'canary'], random);
    doc.subsets[subset].tags = [misspelt(subset, random)];
  }),
  'further tag': edited((doc, random) => {
    doc.subsets[pick(['stable', 'canary'], random)].tags.push(pick(['eu', 'v2', 'blue'], random));
  }),
  'tag of another': edited((doc, random) => {
    const [from, to] = random() < 0.5 ? ['stable', 'canary'] : ['canary', 'stable'];
    doc.subsets[from].tags = [to];
  }),
  'meta key': edited((doc, random) => {
    doc.subsets.stable.meta = { [misspelt('version', random)]: 'v1' };
  }),
  'meta value': edited((doc, random) => {
    doc.subsets.stable.meta = { version: pick(['v2', 'V1', 'v1 ', 'v11', '1'], random) };
  }),
  filter: edited((doc, random) => {
    doc.subsets.beta.filter = misspelt(doc.subsets.beta.filter, random);
  }),
  'subset key': edited((doc, random) => {
    const name = pick(['stable', 'canary', 'beta'], random);
    const { [name]: moved, ...rest } = doc.subsets;
    doc.subsets = { ...rest, [misspelt(name, random)]: moved };
  }),
  default: edited((doc, random) => {
    doc.default = pick(['canary', 'beta', 'stabel'], random);
  }),
  'route to': edited((doc, random) => {
    const route = pick([0, 1, 2], random);
    doc.routes[route].to = pick(['stable', 'canary', 'beta', 'canray'], random);
  }),
  'match removed': edited((doc, random) => {
    delete doc.routes[pick([0, 1, 2, 3], random)].match;
  }),
  fallback: edited((doc, random) => {
    const choice = pick(['none', 'beta', 'typo'], random);
    if (choice === 'none') delete doc.subsets.canary.fallback;
    else doc.subsets.canary.fallback = choice === 'typo' ? 'stabel' : choice;
    if (random() < 0.5) doc.subsets.canary.tags = ['canari'];
  }),
  weight: edited((doc, random) => {
    const [first, second] = pick(
      [
        [0, 0],
        [0, 30],
        [70, 0],
        [30, 70],
        [-70, 30],
      ],
      random,
    );
    doc.routes[3].split[0].weight = first;
    doc.routes[3].split[1].weight = second;
  }),
  failover: edited((doc, random) => {
    doc.locality.failover = [misspelt('dc2', random)];
  }),
  service: edited((doc, random) => {
    doc.service = misspelt(SERVICE, random);
  }),
  'override to': edited((doc, random) => {
    doc.override = { to: pick(['canary', 'beta', 'stabel', 'stable'], random), until: until() };
  }),
  'override datacenter': edited((doc, random) => {
    doc.override = { datacenter: pick(['dc2', 'dc22', 'dc3', 'dc1'], random), until: until() };
    if (random() < 0.5) doc.locality.failover = [];
  }),
  strict: edited((doc, random) => {
    doc.routes[3].strict = true;
    if (random() < 0.5) doc.subsets.canary.tags = ['cannary'];
  }),
  indentation: ofText((lines, random) => {
    const at = Math.floor(random() * lines.length);
    lines[at] = random() < 0.5 ? `  ${lines[at]}` : (lines[at] ?? '').replace(/^ {2}/, '');
  }),
  'line lost': ofText((lines, random) => void lines.splice(Math.floor(random() * lines.length), 1)),
  'line twice': ofText((lines, random) => {
    const at = Math.floor(random() * lines.length);
    lines.splice(at, 0, lines[at] ?? '');
  }),
  letter: ofText((lines, random) => {
    const at = Math.floor(random() * lines.length);
    lines[at] = misspelt(lines[at] ?? '', random);
  }),
};

const HARMLESS: Readonly<Record<string, (doc: Loose, random: Random) => void>> = {
  weight: (doc, random) => {
    const canary = 1 + Math.floor(random() * 45);
    doc.routes[3].split = [
      { to: 'stable', weight: 100 - canary },
      { to: 'canary', weight: canary },
    ];
  },
  'canary off': (doc) => {
    doc.routes[3].split[1].weight = 0;
  },
  timeout: (doc, random) => {
    doc.timeoutMs = 100 + Math.floor(random() * 900);
    doc.routes[2].timeoutMs = 50;
  },
  retry: (doc) => {
    doc.routes[1].retry = { maxAttempts: 3 };
  },
  'a route to stable': (doc, random) => {
    doc.routes.unshift({ name: `r${Math.floor(random() * 99)}`, match: { labels: { 'x-a': 'b' } }, to: 'stable' });
  },
  'a route to the canary': (doc) => {
    doc.routes.unshift({ name: 'staff', match: { labels: { 'x-staff': 'yes' } }, to: 'canary' });
  },
  'a route away': (doc, random) => void doc.routes.splice(Math.floor(random() * 3), 1),
  'another match': (doc) => {
    doc.routes[2].match.labels['x-tier'].in.push('gold');
  },
  breaker: (doc, random) => {
    doc.breaker = { consecutiveFailures: 3 + Math.floor(random() * 5) };
    doc.subsets.canary.subsetBreaker = { volumeThreshold: 20 };
  },
  guard: (doc) => {
    doc.subsets.canary.guard = {};
  },
  balancing: (doc, random) => {
    doc.balancing = { algorithm: pick(['least_request', 'round_robin', 'random'], random) };
  },
  'no failover': (doc) => {
    doc.locality = { failover: [] };
  },
  'meta in place of nothing': (doc) => {
    doc.subsets.canary.meta = { version: 'v2' };
  },
  'a looser subset': (doc) => {
    delete doc.subsets.stable.meta;
  },
  'an unused subset': (doc, random) => {
    doc.subsets[`later${Math.floor(random() * 99)}`] = { tags: ['later'] };
  },
  'stable for a while': (doc) => {
    doc.override = { to: 'stable', until: until() };
  },
};

function edited(change: (doc: Loose, random: Random) => void): (random: Random) => string {
  return (random) => {
    const document = structuredClone(basePolicy());
    change(document, random);
    return stringify(document);
  };
}

function ofText(change: (lines: string[], random: Random) => void): (random: Random) => string {
  return (random) => {
    const lines = stringify(basePolicy()).trimEnd().split('\n');
    change(lines, random);
    return `${lines.join('\n')}\n`;
  };
}

/** A letter more, less, other, or two swapped. */
export function misspelt(word: string, random: Random): string {
  const at = Math.floor(random() * word.length);
  const letter = pick([...'abcdelnrstx'], random);
  switch (Math.floor(random() * 4)) {
    case 0:
      return word.slice(0, at) + letter + word.slice(at);
    case 1:
      return word.slice(0, at) + word.slice(at + 1);
    case 2:
      return word.slice(0, at) + letter + word.slice(at + 1);
    default:
      return (
        word.slice(0, at) +
        word
          .slice(at, at + 2)
          .split('')
          .reverse()
          .join('') +
        word.slice(at + 2)
      );
  }
}

function until(): string {
  return new Date(Date.now() + 3_600_000).toISOString();
}

export function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)] as T;
}
