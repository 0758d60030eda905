import { promises as dns } from 'node:dns';
import type { Timer } from '../../base/clock';
import type { DatacenterState, Instance, SourceState } from '../../base/instances';
import { ofKey } from '../../base/of-key';
import type { Runtime } from '../../base/runtime';
import { sameItems } from '../../base/same-items';
import type { Source } from './source';

/** A first state waits so long for its names; then they are handed on as they are. */
const WAIT_MS = 1_000;
/** Names are looked up again so often, up to a tenth more or less. gRPC's own resolver does so no more often. */
const AGAIN_MS = 30_000;

/**
 * Hands on what `source` delivers, with an instance for each address of a host name that has several: of the family
 * that the system names first, each with its part of the weight. A name with one address stays as it is, and so does
 * one that cannot be looked up, until it can. States without names pass untouched, in the same turn.
 */
export function createResolvedSource(source: Source, deps: Pick<Runtime, 'clock' | 'random'>): Source {
  const names = new NameBook(deps);
  return {
    watch(request, listener) {
      let latest: SourceState | undefined;
      let isOpen = true;
      const deliver = (): void => {
        if (isOpen && latest !== undefined) listener(resolved(latest, names));
      };
      const inner = source.watch(request, (state) => {
        latest = state;
        const found = namesIn(state);
        names.use(deliver, found);
        if (found.every((name) => names.isKnown(name))) deliver();
        else void names.settled(found).then(deliver);
      });
      return {
        setFilters: (expressions) => inner.setFilters(expressions),
        close() {
          isOpen = false;
          names.release(deliver);
          inner.close();
        },
      };
    },
    close() {
      names.close();
      source.close();
    },
  };
}

/** The addresses of the names that some watch has instances at. */
class NameBook {
  readonly #deps: Pick<Runtime, 'clock' | 'random'>;
  /** An empty list: one address, or none that is known. */
  readonly #addresses = new Map<string, readonly string[]>();
  readonly #pending = new Map<string, Promise<void>>();
  /** By what is called when one of their addresses has changed. */
  readonly #users = new Map<() => void, readonly string[]>();
  #again: Timer | undefined;
  #isClosed = false;

  constructor(deps: Pick<Runtime, 'clock' | 'random'>) {
    this.#deps = deps;
  }

  isKnown(name: string): boolean {
    return this.#addresses.has(name);
  }

  of(name: string): readonly string[] {
    return this.#addresses.get(name) ?? [];
  }

  use(changed: () => void, names: readonly string[]): void {
    this.#users.set(changed, names);
    if (names.length > 0) this.#watch();
  }

  release(changed: () => void): void {
    this.#users.delete(changed);
  }

  /** Resolves when all of them have been looked up, or have taken too long. */
  async settled(names: readonly string[]): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#deps.clock.setTimer(WAIT_MS, resolve);
    });
    const unknown = names.filter((name) => !this.isKnown(name));
    await Promise.race([Promise.all(unknown.map((name) => this.#look(name))), late]);
    timer?.cancel();
  }

  close(): void {
    this.#isClosed = true;
    this.#again?.cancel();
    this.#users.clear();
  }

  #watch(): void {
    const { clock, random } = this.#deps;
    if (this.#again !== undefined || this.#isClosed) return;
    this.#again = clock.setTimer(AGAIN_MS * (0.9 + 0.2 * random()), () => {
      this.#again = undefined;
      const used = new Set([...this.#users.values()].flat());
      for (const name of this.#addresses.keys()) if (!used.has(name)) this.#addresses.delete(name);
      for (const name of used) void this.#look(name);
      if (used.size > 0) this.#watch();
    });
  }

  /** Never rejects. Users of the name are called when its addresses have changed. */
  #look(name: string): Promise<void> {
    return ofKey(this.#pending, name, async () => {
      const found = await addressesOf(name);
      this.#pending.delete(name);
      const former = this.#addresses.get(name);
      // What cannot be looked up stays as it was.
      const next = found ?? former ?? [];
      if (former !== undefined && sameItems(former, next)) return;
      this.#addresses.set(name, next);
      if (former === undefined && next.length === 0) return;
      for (const [changed, names] of [...this.#users]) if (names.includes(name)) changed();
    });
  }
}

/** In a fixed order; an empty list for a single one, undefined when the system does not say. */
async function addressesOf(name: string): Promise<readonly string[] | undefined> {
  try {
    const found = await dns.lookup(name, { all: true, verbatim: true });
    const own = found.filter(({ family }) => family === found[0]?.family).map(({ address }) => address);
    const different = [...new Set(own)].sort();
    return different.length > 1 ? different : [];
  } catch {
    return undefined;
  }
}

const namesOfState = new WeakMap<DatacenterState, readonly string[]>();

function namesIn({ datacenters }: SourceState): readonly string[] {
  const all = datacenters.map((state) => {
    let names = namesOfState.get(state);
    if (names === undefined) {
      const found = [...state.instances, ...(state.absent ?? [])].filter(({ address }) => isName(address));
      names = [...new Set(found.map(({ address }) => address))];
      namesOfState.set(state, names);
    }
    return names;
  });
  return all.every((names) => names.length === 0) ? [] : [...new Set(all.flat())];
}

function isName(address: string): boolean {
  return !address.includes(':') && !/^[\d.]+$/.test(address);
}

interface Made {
  readonly addresses: readonly string[];
  readonly instances: readonly Instance[];
}

/** What an instance was made into last: what has not changed keeps its objects. */
const madeOf = new WeakMap<Instance, Made>();

function resolved(state: SourceState, names: NameBook): SourceState {
  if (namesIn(state).every((name) => names.of(name).length === 0)) return state;
  return { datacenters: state.datacenters.map((one) => resolvedState(one, names)) };
}

/** What a state was made into last, and of which addresses. */
const madeOfState = new WeakMap<
  DatacenterState,
  { readonly of: readonly unknown[]; readonly state: DatacenterState }
>();

function resolvedState(state: DatacenterState, names: NameBook): DatacenterState {
  const of = (namesOfState.get(state) ?? []).map((name) => names.of(name));
  if (of.every((addresses) => addresses.length === 0)) return state;
  const known = madeOfState.get(state);
  if (known !== undefined && sameItems(known.of, of)) return known.state;
  const made = expanded(state, names);
  madeOfState.set(state, { of, state: made });
  return made;
}

function expanded(state: DatacenterState, names: NameBook): DatacenterState {
  const taken = new Set<string>();
  const expand = (instance: Instance): readonly Instance[] =>
    each(instance, names).filter(({ address, port }) => {
      const endpoint = `${address} ${port}`;
      if (taken.has(endpoint)) return false;
      taken.add(endpoint);
      return true;
    });
  const instances = state.instances.flatMap(expand);
  const absent = (state.absent ?? []).flatMap(expand);
  const filters = new Map(
    [...state.filters].map(([expression, keys]) => {
      const own = [...state.instances, ...(state.absent ?? [])].filter(({ key }) => keys.has(key));
      return [expression, new Set([...keys, ...own.flatMap((one) => each(one, names).map(({ key }) => key))])];
    }),
  );
  return { ...state, instances, absent, filters };
}

function each(instance: Instance, names: NameBook): readonly Instance[] {
  const addresses = names.of(instance.address);
  if (addresses.length === 0) return [instance];
  const known = madeOf.get(instance);
  if (known?.addresses === addresses) return known.instances;
  const weight = instance.weight / addresses.length;
  const instances = addresses.map((address, at) => {
    const former = known?.addresses[at] === address && known.addresses.length === addresses.length;
    const kept = former ? known?.instances[at] : undefined;
    return kept ?? { ...instance, key: `${instance.key}#${address}`, address, weight };
  });
  madeOf.set(instance, { addresses, instances });
  return instances;
}
