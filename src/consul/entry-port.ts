import type { NamedPort } from '../base/instances';
import { isRecord } from '../base/is-record';

type Json = Readonly<Record<string, unknown>>;

/** The port that an instance is dialled at, or why there is none. */
export type EntryPort =
  | { readonly port: number; readonly portName?: string; readonly ports?: readonly NamedPort[] }
  | { readonly fault: string };

/** A message names no more ports. */
const PORTS_SHOWN = 10;

/**
 * Reads the port of a service in a health answer. A service with several ports has `Port: 0` and `Ports: [{ Name, Port,
 * Default }]` (Consul 1.22 and later): its default port is used, or the one that is called `wanted`.
 * https://developer.hashicorp.com/consul/docs/connect/proxy/multiport
 */
export function portOf(service: Json, wanted: string | undefined): EntryPort {
  const { Port: single } = service;
  const ports = portsIn(service['Ports']);
  if (ports.length === 0) {
    if (wanted !== undefined) return { fault: `no port is named ${wanted}; its one port has no name` };
    if (isPort(single)) return { port: single };
    const socket = service['SocketPath'];
    const isSocket = typeof socket === 'string' && socket !== '';
    return {
      fault: isSocket ? 'is served at a Unix socket (SocketPath), not at an address and port' : 'has no port to dial',
    };
  }
  const [first] = ports;
  const found =
    wanted === undefined
      ? (ports.find(({ isDefault }) => isDefault) ?? (ports.length === 1 ? first : undefined))
      : ports.find(({ name }) => name === wanted);
  if (found === undefined) {
    const asked = wanted === undefined ? 'none of its ports is the default' : `no port is named ${wanted}`;
    return { fault: `${asked}; it has ${describePorts(ports)}` };
  }
  return {
    port: found.port,
    portName: found.name,
    ports: ports.map(({ name, port }) => ({ name, port })),
  };
}

/** `grpc 9090, http 8080`. */
function describePorts(ports: readonly NamedPort[]): string {
  const shown = ports.slice(0, PORTS_SHOWN).map(({ name, port }) => `${name} ${port}`);
  return ports.length > PORTS_SHOWN ? `${shown.join(', ')}, ...` : shown.join(', ');
}

/** Those that are sound; each name once. */
function portsIn(value: unknown): readonly (NamedPort & { readonly isDefault: boolean })[] {
  if (!Array.isArray(value)) return [];
  const seen = new Set<string>();
  return value.flatMap((one: unknown) => {
    if (!isRecord(one)) return [];
    const { Name: name, Port: port } = one;
    if (typeof name !== 'string' || !isPortName(name) || !isPort(port) || seen.has(name)) return [];
    seen.add(name);
    return [{ name, port, isDefault: one['Default'] === true }];
  });
}

/** Names that can be written in a target and in a policy. */
function isPortName(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(name);
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}
