import { execFile } from 'node:child_process';
import { access, chmod, constants, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from './project-root';

const run = promisify(execFile);
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const LOCK_STALE_MS = 180_000;

/**
 * The path of a Consul binary: `$CONSUL_BIN`, `consul` on PATH, the copy under `.cache/`, or Debian's package unpacked
 * there (no root needed). Safe to call from several processes at once. Rejects with how to install it.
 */
export async function obtainConsul(): Promise<string> {
  const named = process.env['CONSUL_BIN'];
  if (named !== undefined && named !== '') {
    if (await isExecutable(named)) return named;
    throw new Error(`CONSUL_BIN: ${named} (expected: an executable file)`);
  }
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const candidate = join(folder, 'consul');
    if (folder !== '' && (await isExecutable(candidate))) return candidate;
  }
  const home = join(projectRoot(), '.cache', 'consul');
  const cached = join(home, 'consul');
  if (await isExecutable(cached)) return cached;
  await mkdir(home, { recursive: true });
  return underLock(join(home, 'lock'), async () => {
    if (await isExecutable(cached)) return cached;
    try {
      await unpackDebianPackage(home, cached);
    } catch (error) {
      throw new Error(
        'No Consul to test with. Install one (https://developer.hashicorp.com/consul/install) and put it on PATH or ' +
          `name it in CONSUL_BIN. Getting Debian's package failed: ${firstLine(error)}`,
        { cause: error },
      );
    }
    return cached;
  });
}

async function unpackDebianPackage(home: string, target: string): Promise<void> {
  const work = await mkdtemp(join(home, 'unpack-'));
  try {
    const uris = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
    const mirror = uris.stdout.split('\n').find((uri) => uri !== '' && !uri.includes('security'));
    if (mirror === undefined) throw new Error('apt knows no mirror');
    await mkdir(join(work, 'lists', 'partial'), { recursive: true });
    await mkdir(join(work, 'cache', 'archives', 'partial'), { recursive: true });
    await writeFile(join(work, 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror} bullseye main\n`);
    const own = [
      ['Dir::Etc::sourcelist', join(work, 'sources.list')],
      ['Dir::Etc::sourceparts', '-'],
      ['Dir::State::lists', join(work, 'lists')],
      ['Dir::Cache', join(work, 'cache')],
      ['APT::Sandbox::User', process.getuid?.() === 0 ? 'root' : ''],
    ].flatMap(([key, value]) => ['-o', `${key}=${value}`]);
    const options = { cwd: work, timeout: 150_000, maxBuffer: 16 * 1024 * 1024 };
    await run('apt-get', [...own, 'update'], options);
    await run('apt-get', [...own, 'download', 'consul'], options);
    const archive = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt downloaded nothing');
    await run('dpkg', ['-x', archive, join(work, 'root')], options);
    const binary = join(work, 'root', 'usr', 'bin', 'consul');
    await chmod(binary, 0o755);
    await run(binary, ['version']);
    await rename(binary, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A folder as a lock: making it is atomic everywhere. One whose owner died is taken over after three minutes. */
async function underLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      await mkdir(path);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const age = await stat(path).then(
        (found) => Date.now() - found.mtimeMs,
        () => 0,
      );
      if (age > LOCK_STALE_MS) await rm(path, { recursive: true, force: true });
      else await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  try {
    return await work();
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text.split('\n')[0] ?? text).replaceAll(tmpdir(), '<tmp>');
}
