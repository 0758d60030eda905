import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { npm } from '../integration/packaging/pack';
import { commitOfVersionBefore, packageAt } from './package-at';
import { startRegistry } from './registry';
import { installProject, upgradeUnderLoad } from './upgrade';

/**
 * `npm run release:dry-run`: the whole release of HEAD against a registry of its own on loopback. Builds the package
 * twice and compares, publishes it after the version before, installs both as a user would, and upgrades from one to
 * the other under load. Exits with 1 at the first thing that is not as it must be.
 */
async function main(scratch: string): Promise<void> {
  const first = packageAt('HEAD', join(scratch, 'first'));
  const second = packageAt('HEAD', join(scratch, 'in', 'another', 'folder'));
  expectThat(
    first.digest === second.digest,
    `built twice: sha512 ${first.digest} and ${second.digest} (expected: equal)`,
  );
  say(`built twice: the same ${first.digest.slice(0, 16)}...`);

  const commit = commitOfVersionBefore(first.version);
  expectThat(
    commit !== undefined,
    `${first.version}: no commit of the version before it (expected: the whole history)`,
  );
  const before = packageAt(commit as string, join(scratch, 'before'));

  const registry = await startRegistry(join(scratch, 'registry'));
  try {
    const packages = [before, first];
    for (const { tarball, folder } of packages) {
      npm(['publish', tarball, '--ignore-scripts', '--userconfig', registry.userConfig], folder);
    }
    for (const { version } of packages) installProject(join(scratch, version), version, registry);
    say(`published and installed: ${packages.map(({ version }) => version).join(', ')}`);
  } finally {
    await registry.stop();
  }

  const seen = await upgradeUnderLoad(join(scratch, before.version), join(scratch, first.version));
  for (const { version, calls, lost, wrong } of seen) {
    say(`${version}: ${calls} calls, ${lost.length} lost, ${wrong} answered by the wrong subset`);
    expectThat(calls > 100 && lost.length === 0 && wrong === 0, lost[0] ?? 'wrong subset, or hardly any calls');
  }
}

function expectThat(holds: boolean, problem: string): void {
  if (!holds) throw new Error(problem);
}

function say(line: string): void {
  console.log(line);
}

const scratch = mkdtempSync(join(tmpdir(), 'graylane-release-'));
main(scratch)
  .catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  })
  .finally(() => rmSync(scratch, { recursive: true, force: true }));
