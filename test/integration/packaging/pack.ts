import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './repository';

/** Packs what `npm run build` left in dist/ and returns the path of the tarball in `folder`. */
export function pack(folder: string): string {
  refuseStaleBuild();
  const report = npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], repository);
  const [packed] = Object.values(JSON.parse(report) as readonly { readonly filename: string }[]);
  if (packed === undefined) throw new Error(`npm pack: ${report} (expected: one tarball)`);
  return join(folder, packed.filename);
}

/** Runs npm as a user would in `folder`: untouched by the npm run that this test may be part of. */
export function npm(args: readonly string[], folder: string): string {
  return run('npm', args, folder, (name) =>
    /^npm_(lifecycle|package|config_(local_)?prefix|node_execpath|command)/.test(name),
  );
}

/** Runs a program, returns its standard output; a failure's message holds all that it wrote. */
export function run(
  program: string,
  args: readonly string[],
  folder: string,
  leaveOut: (variable: string) => boolean = () => false,
): string {
  // Vitest sets NODE_ENV and friends for itself; a user's process has none of them.
  const own = (name: string): boolean => name === 'NODE_ENV' || name === 'NODE_OPTIONS' || name.startsWith('VITEST');
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !own(name) && !leaveOut(name)));
  try {
    return execFileSync(program, args, { cwd: folder, env, encoding: 'utf8', stdio: 'pipe', timeout: 240_000 });
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string };
    throw new Error(`${program} ${args.join(' ')}\n${stdout ?? ''}${stderr ?? ''}`, { cause: error });
  }
}

function refuseStaleBuild(): void {
  const built = join(repository, 'dist', 'index.mjs');
  const sources = readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' }).map((file) =>
    join(repository, 'src', file),
  );
  const newestMs = Math.max(...[...sources, join(repository, 'package.json')].map((file) => statSync(file).mtimeMs));
  if (!existsSync(built) || statSync(built).mtimeMs < newestMs) {
    throw new Error('dist/: older than src/ (expected: npm run build before the packaging tests)');
  }
}
