import { access, constants, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { nearest } from '../../base/spelling';
import type { CommandIo } from '../io';
import type { Finding } from './finding';

/** The least version of Node, as package.json's `engines` says. */
export const LEAST_NODE: readonly [major: number, minor: number] = [20, 19];

/** Every variable of the environment that Graylane reads. */
export const VARIABLES: readonly string[] = [
  'CONSUL_CACERT',
  'CONSUL_CAPATH',
  'CONSUL_CLIENT_CERT',
  'CONSUL_CLIENT_KEY',
  'CONSUL_HTTP_ADDR',
  'CONSUL_HTTP_AUTH',
  'CONSUL_HTTP_SSL',
  'CONSUL_HTTP_SSL_VERIFY',
  'CONSUL_HTTP_TOKEN',
  'CONSUL_HTTP_TOKEN_FILE',
  'CONSUL_NAMESPACE',
  'CONSUL_PARTITION',
  'CONSUL_TLS_SERVER_NAME',
  'GRAYLANE_ADDRESS',
  'GRAYLANE_DEBUG',
  'GRAYLANE_OVERRIDE',
  'GRAYLANE_ZONE',
];

export function checkNode(): readonly Finding[] {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [leastMajor, leastMinor] = LEAST_NODE;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return [];
  const finding = `${process.versions.node} (expected: ${LEAST_NODE.join('.')} or later)`;
  return [{ check: 'node', state: 'problem', finding, next: 'install a later Node, in the image of the service, too' }];
}

/** Names alone: values may be secrets. */
export function checkVariables(env: CommandIo['env']): readonly Finding[] {
  const findings: Finding[] = [];
  for (const name of Object.keys(env).sort()) {
    if (VARIABLES.includes(name)) continue;
    const meant = nearest(name, VARIABLES);
    if (meant !== undefined) {
      const finding = `${name} is read by nobody; did you mean ${meant}?`;
      findings.push({ check: 'environment', state: 'problem', finding, next: `set ${meant}, and unset ${name}` });
    } else if (name.startsWith('GRAYLANE_')) {
      const known = VARIABLES.filter((each) => each.startsWith('GRAYLANE_')).join(', ');
      const finding = `${name} is read by nobody (expected: ${known})`;
      findings.push({ check: 'environment', state: 'warning', finding, next: `unset ${name}` });
    }
  }
  return findings;
}

/** Where processes remember what they knew: the folder given, else that of XDG_STATE_HOME. */
export async function checkStateDirectory(
  given: string | undefined,
  env: CommandIo['env'],
): Promise<readonly Finding[]> {
  const home = env['XDG_STATE_HOME'] ?? '';
  const folder = given ?? (home === '' ? undefined : join(home, 'graylane'));
  if (folder === undefined) return [];
  const problem = await whyNotWritable(resolve(folder));
  if (problem === undefined) return [];
  const finding = `${folder} cannot be written to (${problem}): a process that starts while Consul is away remembers nothing`;
  const next = 'make it, owned by the user of the process, or set stateDirectory: false';
  return [{ check: 'state directory', state: 'problem', finding, next }];
}

/** A folder that is not there yet is made by the process: then the one above it counts. */
async function whyNotWritable(folder: string): Promise<string | undefined> {
  try {
    if (!(await stat(folder)).isDirectory()) return `${folder} is no folder`;
    await access(folder, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    if (code === 'ENOENT' && dirname(folder) !== folder) return whyNotWritable(dirname(folder));
    return code;
  }
}
