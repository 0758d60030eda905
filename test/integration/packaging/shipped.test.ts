import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { closeAfterEach } from '../../support/closers';
import { repository } from './repository';

const SCRIPT = join(repository, 'scripts', 'check-shipped.mjs');
const opened = closeAfterEach();

type Entry = Record<string, unknown>;
interface Ground {
  readonly packages: Record<string, Entry>;
  licences: string;
  audit: object;
}

/** Runs the check on this repository's own lock file and bundle, after `change`. */
function check(change: (ground: Ground) => void = () => {}, ...flags: string[]) {
  const lock = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8')) as {
    packages: Ground['packages'];
  };
  const licences = readFileSync(join(repository, 'dist', 'THIRD-PARTY-LICENSES.txt'), 'utf8');
  const ground: Ground = { packages: lock.packages, licences, audit: { vulnerabilities: {} } };
  change(ground);
  const root = opened(mkdtempSync(join(tmpdir(), 'graylane-shipped-')), (folder) =>
    rmSync(folder, { recursive: true }),
  );
  mkdirSync(join(root, 'dist'));
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify(lock));
  writeFileSync(join(root, 'dist', 'THIRD-PARTY-LICENSES.txt'), ground.licences);
  writeFileSync(join(root, 'audit.json'), JSON.stringify(ground.audit));
  const args = [SCRIPT, '--root', root, '--audit', join(root, 'audit.json'), ...flags];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { status, stdout, problems: stderr.split('\n').filter((line) => line !== '') };
}

type Change = (ground: Ground) => void;
/** An entry of the lock file gets these fields; `undefined` takes one away. */
const entry =
  (name: string, fields: Entry): Change =>
  ({ packages }) => {
    Object.assign(packages[`node_modules/${name}`] ?? expect.fail(name), fields);
  };
const heading =
  (from: RegExp, to: string): Change =>
  (ground) => {
    ground.licences = ground.licences.replace(from, to);
  };
const audit =
  (report: object): Change =>
  (ground) => {
    ground.audit = report;
  };
const weakness = (name: string): Change =>
  audit({
    vulnerabilities: {
      [name]: { range: '<99', via: [{ url: 'https://example.test/GHSA-1', title: 'runs anything' }] },
    },
  });

/** What may come in with an update, and what is said of it. */
const CHANGES: Readonly<Record<string, readonly [Change, RegExp]>> = {
  'a dependency under the GPL': [entry('consul', { license: 'GPL-3.0-only' }), /^consul: licence: GPL-3\.0/],
  'its own dependency under the MPL': [entry('papi', { license: 'MPL-2.0' }), /^papi: licence: MPL-2\.0/],
  'two licences that both hold': [entry('papi', { license: 'MIT AND GPL-2.0-only' }), /^papi: licence: MIT AND GPL/],
  'no licence': [entry('consul', { license: undefined }), /^consul: licence: none/],
  'a licence in a file': [entry('uuid', { license: 'SEE LICENSE IN LICENSE' }), /^uuid: licence: SEE LICENSE/],
  'an install script': [entry('opossum', { hasInstallScript: true }), /^opossum: install script/],
  'an install script of a peer': [
    entry('@grpc/grpc-js', { hasInstallScript: true }),
    /^@grpc\/grpc-js: install script/,
  ],
  'an explained install script that is gone': [
    entry('protobufjs', { hasInstallScript: undefined }),
    /^protobufjs: install script: explained .* \(expected: still so\)$/,
  ],
  'no checksum': [entry('consul', { integrity: undefined }), /^consul: checksum/],
  'a package from git': [entry('consul', { resolved: 'git+ssh://git@example.test/a.git#1' }), /^consul: source: git/],
  'a package that is deprecated': [entry('uuid', { deprecated: 'use another' }), /^uuid: deprecated/],
  'a bundled package under the AGPL': [
    heading(/^(commander \S+) \(MIT\)$/m, '$1 (AGPL-3.0)'),
    /^commander: licence: AGPL-3\.0/,
  ],
  'a bundled package that is not locked': [heading(/^commander \S+/m, 'commander 0.0.1'), /^commander: lock/],
  'a weakness of a dependency': [weakness('consul'), /^consul: https.*: runs anything/],
  'a weakness of what is bundled': [weakness('commander'), /^commander: https.*: runs anything/],
};

describe('what reaches the users of the package', () => {
  it('has free licences, no install script unexplained, and no known weakness', () => {
    const { status, problems } = check();
    expect(problems).toEqual([]);
    expect(status).toBe(0);
  });

  it.each(Object.keys(CHANGES))('%s is told', (name) => {
    const [change, problem] = CHANGES[name] ?? expect.fail(name);
    const { status, problems } = check(change);
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(status).toBe(1);
  });

  it.each<readonly [string, Change]>([
    ['one of two licences is free', entry('papi', { license: '(GPL-2.0-only OR MIT)' })],
    ['a weakness is that of a tool', weakness('vitest')],
    ['a tool has an install script', entry('esbuild', { hasInstallScript: true })],
  ])('nothing is told where %s', (_, change) => {
    expect(check(change)).toMatchObject({ status: 0, problems: [] });
  });

  it('says where advisories could not be read, which fails only where they are asked for', () => {
    const silence = audit({ message: '405 Method Not Allowed' });
    expect(check(silence)).toMatchObject({ status: 0, stdout: expect.stringContaining('advisories not read: 405') });
    expect(check(silence, '--advisories').status).toBe(1);
  });
});
