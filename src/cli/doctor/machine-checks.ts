import { access, constants, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { nearest } from '../../base/spelling';
import { codeOf } from '../command';
import type { CommandIo } from '../io';
import { type Finding, info, ok, problem, warning } from './finding';

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
  'GRAYLANE_POLICY_KEY',
  'GRAYLANE_SERVICE',
  'GRAYLANE_ZONE',
];

export function checkNode(): readonly Finding[] {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [leastMajor, leastMinor] = LEAST_NODE;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return [];
  const finding = `${process.versions.node} (expected: ${LEAST_NODE.join('.')} or later)`;
  return [problem('node', finding, 'install a later Node, in the image of the service, too')];
}

/** Names alone: values may be secrets. */
export function checkVariables(env: CommandIo['env']): readonly Finding[] {
  const findings: Finding[] = [];
  for (const name of Object.keys(env).sort()) {
    if (VARIABLES.includes(name)) continue;
    const meant = nearest(name, VARIABLES);
    if (meant !== undefined) {
      const finding = `${name} is read by nobody; did you mean ${meant}?`;
      findings.push(problem('environment', finding, `set ${meant}, and unset ${name}`));
    } else if (name.startsWith('GRAYLANE_')) {
      const known = VARIABLES.filter((each) => each.startsWith('GRAYLANE_')).join(', ');
      const finding = `${name} is read by nobody (expected: ${known})`;
      findings.push(warning('environment', finding, `unset ${name}`));
    }
  }
  return findings;
}

/** The folder of the last known good state: the one given, else that of XDG_STATE_HOME. */
export async function checkStateDirectory(
  given: string | undefined,
  env: CommandIo['env'],
): Promise<readonly Finding[]> {
  const home = env['XDG_STATE_HOME'] ?? '';
  const folder = given ?? (home === '' ? undefined : join(home, 'graylane'));
  if (folder === undefined) return [];
  const reason = await whyNotWritable(resolve(folder));
  if (reason === undefined) return [];
  const finding = `${folder} cannot be written to (${reason}): a process that starts while Consul is away remembers nothing`;
  const next = 'make it, owned by the user of the process, or set stateDirectory: false';
  return [problem('state directory', finding, next)];
}

/** A process makes a missing folder, so the nearest folder above counts. */
async function whyNotWritable(folder: string): Promise<string | undefined> {
  try {
    if (!(await stat(folder)).isDirectory()) return `${folder} is no folder`;
    await access(folder, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' && dirname(folder) !== folder) return whyNotWritable(dirname(folder));
    return code;
  }
}

/** The search ends after so many packages. */
const MOST_PACKAGES = 50_000;
const SUPPORTED = /^1\.14\./;

/** Looks for copies of grpc-js in the node_modules that a program in `folder` sees. */
export async function checkGrpcCopies(folder: string): Promise<Finding> {
  const check = 'grpc-js';
  const copies = await findCopies(resolve(folder));
  const shown = copies.map((copy) => `${copy.version} in ${copy.folder}`).join('; ');
  if (copies.length === 0) {
    const next = 'run it in the folder of the application, or give --tree';
    return info(check, `no copy below ${resolve(folder)}`, next);
  }
  if (copies.length > 1) {
    const next = 'run npm dedupe, or hand your copy in: createGraylane({ grpc }); see docs/troubleshooting.md';
    return problem(check, `${copies.length} copies, which cannot be mixed: ${shown}`, next);
  }
  if (copies.some(({ version }) => !SUPPORTED.test(version))) {
    return problem(check, `${shown} (expected: ~1.14.0)`, 'npm install @grpc/grpc-js@~1.14.0');
  }
  return ok(check, `one copy, ${shown}`);
}

async function findCopies(from: string): Promise<readonly { readonly folder: string; readonly version: string }[]> {
  const seen = new Set<string>();
  const copies: { readonly folder: string; readonly version: string }[] = [];
  const open: string[] = [];
  for (let folder = from; ; folder = dirname(folder)) {
    open.push(join(folder, 'node_modules'));
    if (dirname(folder) === folder) break;
  }
  for (let modules = open.pop(); modules !== undefined; modules = open.pop()) {
    for (const name of await packagesIn(modules)) {
      const found = await realpath(join(modules, name)).catch(() => undefined);
      if (found === undefined || seen.has(found) || seen.size > MOST_PACKAGES) continue;
      seen.add(found);
      open.push(join(found, 'node_modules'));
      if (name === '@grpc/grpc-js') copies.push({ folder: found, version: await versionIn(found) });
    }
  }
  return copies.sort((a, b) => (a.folder < b.folder ? -1 : 1));
}

/** With scopes, and with the folders in which pnpm keeps packages. */
async function packagesIn(modules: string): Promise<readonly string[]> {
  const names = await list(modules);
  const nested = await Promise.all(
    names.map(async (name) => {
      if (name === '.pnpm') return (await list(join(modules, name))).map((inner) => join(name, inner));
      if (name.startsWith('@')) return (await list(join(modules, name))).map((inner) => `${name}/${inner}`);
      return name.startsWith('.') ? [] : [name];
    }),
  );
  return nested.flat();
}

function list(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

async function versionIn(folder: string): Promise<string> {
  try {
    const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version?: string };
    return version ?? 'unknown';
  } catch {
    return 'unknown';
  }
}
