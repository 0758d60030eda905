import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { scriptArgs } from '../../support/script';

const root = join(__dirname, '..', '..', '..');
/** What would change how grpc-js, Consul's client or this library behave. */
const SENSITIVE = /^(https?_proxy|grpc_proxy|no_(grpc_)?proxy|all_proxy|GRPC_|CONSUL_|GRAYLANE_|NODE_|VITEST)/i;

export interface ChildResult {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a fixture of this folder in a process of its own, with these variables and no others that matter here. */
export function runFixture(
  fixture: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<ChildResult> {
  const inherited = Object.entries(process.env).filter(([name]) => !SENSITIVE.test(name));
  const child = spawn(process.execPath, [...scriptArgs(join(__dirname, fixture)), ...args], {
    cwd: root,
    env: { ...Object.fromEntries(inherited), ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output, errors }));
  });
}
