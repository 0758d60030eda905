import type { Instance } from '../../base/instances';

/** By instance, then by port: the same object for as long as the instance is the same. */
const derived = new WeakMap<Instance, Map<string, Instance>>();
const others = new WeakSet<Instance>();

/**
 * The instance as it is dialled at its port of this name; undefined where it has none. `name` left out: as discovery
 * gave it. Another port is another endpoint, with connections, load and a breaker of its own.
 */
export function atPort(instance: Instance, name: string | undefined): Instance | undefined {
  if (name === undefined || instance.portName === name) return instance;
  const known = derived.get(instance)?.get(name);
  if (known !== undefined) return known;
  const found = instance.ports?.find((port) => port.name === name);
  if (found === undefined) return undefined;
  const other = { ...instance, port: found.port, portName: name };
  others.add(other);
  const made = derived.get(instance) ?? new Map<string, Instance>();
  derived.set(instance, made.set(name, other));
  return other;
}

/** Whether an instance is dialled where a subset with this `port` dials it. */
export function isAtPort(instance: Instance, name: string | undefined): boolean {
  return name === undefined ? !others.has(instance) : instance.portName === name;
}
