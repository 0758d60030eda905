import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { npm, run } from '../integration/packaging/pack';
import { repository } from '../integration/packaging/repository';

export interface BuiltPackage {
  /** The clone that it was built in, with its development dependencies. */
  readonly folder: string;
  readonly tarball: string;
  /** SHA-512 of the tarball, hexadecimal. */
  readonly digest: string;
  readonly version: string;
}

/** Clones the repository into `folder`, installs from the lock file, builds and packs. Throws what a step wrote. */
export function packageAt(commit: string, folder: string): BuiltPackage {
  mkdirSync(folder, { recursive: true });
  run('git', ['clone', '--quiet', '--no-checkout', repository, folder], repository);
  run('git', ['checkout', '--quiet', '--detach', commit], folder);
  npm(['ci', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'], folder);
  npm(['pack', '--pack-destination', folder], folder);
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly version: string };
  const tarball = join(folder, `graylane-${version}.tgz`);
  return { folder, tarball, version, digest: createHash('sha512').update(readFileSync(tarball)).digest('hex') };
}

/** The last commit of the version before this one. Undefined in a clone that does not reach so far. */
export function commitOfVersionBefore(version: string): string | undefined {
  const git = (...args: readonly string[]): string => run('git', args, repository).trim();
  const search = ['log', '--format=%H %P', `-S"version": "${version}"`, '--', 'package.json'];
  const parent = git(...search)
    .split('\n')
    .at(-1)
    ?.split(' ')[1];
  return parent === '' ? undefined : parent;
}
