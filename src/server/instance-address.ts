import { existsSync } from 'node:fs';
import { isIP } from 'node:net';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where an instance says that it is reached, and which variable said so. */
export interface FoundAddress {
  readonly address: string;
  readonly from: string;
}

/**
 * The address of an instance that was given none: `GRAYLANE_ADDRESS`; the IP of the Nomad label that has this port; `POD_IP`, as
 * Kubernetes' downward API is usually asked for it. Undefined: the Consul node's own, which is right on a host of its own.
 */
export function findAddress(port: number, env: Environment): FoundAddress | undefined {
  const given = env['GRAYLANE_ADDRESS'];
  if (given !== undefined && given !== '') return { address: given, from: 'GRAYLANE_ADDRESS' };
  for (const [name, value] of Object.entries(env)) {
    const label = /^NOMAD_HOST_PORT_(.+)$/.exec(name)?.[1];
    if (label === undefined || value !== String(port)) continue;
    const from = `NOMAD_HOST_IP_${label}`;
    const address = env[from];
    if (address !== undefined && isIP(address) !== 0) return { address, from };
  }
  const pod = env['POD_IP'];
  return pod !== undefined && isIP(pod) !== 0 ? { address: pod, from: 'POD_IP' } : undefined;
}

/** In one, the address of the Consul node is mostly that of something else. */
export function isInContainer(env: Environment, exists: (path: string) => boolean = existsSync): boolean {
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined || env['container'] !== undefined) return true;
  return exists('/.dockerenv') || exists('/run/.containerenv');
}
