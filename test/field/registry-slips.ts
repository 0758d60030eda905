import type { Random } from '../../src/base/random';
import { misspelt, pick } from './policy-slips';
import type { Registered } from './slips-world';

/** What is registered after one edit: of one instance, or of the template that a group is deployed from. */
export interface RegistrySlip {
  readonly kind: string;
  readonly before: readonly Registered[];
  readonly after: readonly Registered[];
}

type Edit = (instance: Registered, random: Random) => Registered;

const KINDS: Readonly<Record<string, Edit>> = {
  tag: (instance, random) => ({ ...instance, tags: [misspelt(instance.tags[0] ?? '', random)] }),
  'tag lost': (instance) => ({ ...instance, tags: [] }),
  'tag of another': (instance, random) => ({ ...instance, tags: [pick(['stable', 'canary', 'beta'], random)] }),
  'meta key': ({ meta, ...rest }, random) => {
    const [key = ''] = Object.keys(meta);
    const { [key]: value = '', ...others } = meta;
    // Consul refuses keys that begin otherwise.
    return { ...rest, meta: { ...others, [misspelt(key, random)]: value } };
  },
  'meta value': (instance, random) => ({
    ...instance,
    meta: { ...instance.meta, version: pick(['V1', 'v11', '1', 'v2', 'v1-'], random) },
  }),
  port: (instance) => ({ ...instance, port: CLOSED_PORT }),
  address: (instance, random) => ({ ...instance, address: `127.9.9.${pick([1, 2, 3], random)}` }),
  datacenter: (instance) => ({ ...instance, datacenter: instance.datacenter === 'dc1' ? 'dc2' : 'dc1' }),
  name: (instance, random) => ({ ...instance, name: misspelt(instance.name, random) }),
};

/** Nobody listens there: below the ports that tests are given. */
export const CLOSED_PORT = 1;

export function registrySlips(
  instances: readonly Registered[],
  random: Random,
  count: number,
): readonly RegistrySlip[] {
  const kinds = Object.entries(KINDS);
  return Array.from({ length: count }, (_, at) => {
    const [kind, edit] = kinds[at % kinds.length] as (typeof kinds)[number];
    const one = pick(instances, random);
    const group = instances.filter(({ tags, datacenter }) => tags[0] === one.tags[0] && datacenter === one.datacenter);
    const isWhole = random() < 0.4;
    const before = isWhole ? group : [one];
    // A template is misspelt once: the same letter for all.
    const seed = random();
    const after = before.map((instance) => edit(instance, again(seed)));
    return { kind: `${kind} of ${isWhole ? 'all' : 'one'} ${one.tags[0]}`, before, after };
  });
}

/** Draws the same for each instance of a template. */
function again(seed: number): Random {
  let state = seed;
  return () => {
    state = (state * 9301 + 0.49297) % 1;
    return state;
  };
}
