import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npm } from './pack';
import { repository } from './repository';

const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as Readonly<
  Record<'dependencies' | 'devDependencies' | 'peerDependencies', Readonly<Record<string, string>>>
>;

/** What a page tells to install, in the order in which it stands there. */
function installsOf(page: string): readonly (readonly string[])[] {
  const text = readFileSync(join(repository, page), 'utf8');
  return [...text.matchAll(/^npm install ([^\n]+)$/gm)].map(([, names = '']) => names.split(' '));
}

const pages = ['README.md', 'docs/observability.md'];

describe('what the pages tell to install', () => {
  it('is of the versions that the tests run with', () => {
    const pinned = installsOf('docs/observability.md')
      .flat()
      .map((name) => name.split(/(?<=.)@/));
    expect(pinned).toHaveLength(3);
    for (const [name = '', version] of pinned) {
      expect(manifest.devDependencies[name], name).toMatch(new RegExp(`^[~^]?${version?.replace('.', '\\.')}\\.`));
    }
  });

  it('never takes the newest API of OpenTelemetry, which no SDK for Node 20 takes', () => {
    const all = [...pages, 'docs/troubleshooting.md', 'examples/nestjs/README.md'].flatMap(installsOf).flat();
    expect(all.length).toBeGreaterThan(5);
    expect(all.filter((name) => /^@opentelemetry\/api(@(?!1\.9$).*)?$/.test(name))).toEqual([]);
  });

  describe('by npm, from the declared peers', () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'graylane-peers-'));
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it('goes together, beside a stack that brings a grpc-js of its own', { timeout: 240_000 }, () => {
      const { dependencies, peerDependencies } = manifest;
      const stub = join(folder, 'stub');
      mkdirSync(stub);
      writeFileSync(
        join(stub, 'package.json'),
        JSON.stringify({ name: 'graylane', version: '9.9.9', dependencies, peerDependencies }),
      );
      npm(['pack', '--silent'], stub);
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0' }));
      const quietly = ['--package-lock-only', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];
      for (const names of [['nice-grpc'], ...pages.flatMap(installsOf)]) {
        // An ERESOLVE makes this throw, with what npm said.
        const packages = names.map((name) => (name === 'graylane' ? join(stub, 'graylane-9.9.9.tgz') : name));
        npm(['install', ...quietly, ...packages], folder);
      }
      const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as {
        readonly packages: Readonly<Record<string, object>>;
      };
      const copies = Object.keys(lock.packages).filter((path) => /@grpc\/grpc-js$|@opentelemetry\/api$/.test(path));
      expect(copies).toEqual(['node_modules/@grpc/grpc-js', 'node_modules/@opentelemetry/api']);
    });
  });
});
