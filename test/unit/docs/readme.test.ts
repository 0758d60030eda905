import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(__dirname, '..', '..', '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

describe('the first screen of the README', () => {
  it('says of versions and licence what the package says', () => {
    const { license, engines, peerDependencies } = JSON.parse(read('package.json'));
    const badges = read('README.md')
      .split('\n')
      .find((line) => line.startsWith('**Apache'));
    expect(badges).toContain(`**${license}**`);
    expect(badges).toContain(`**Node ${engines.node.replace('>=', '>= ')}**`);
    expect(badges).toContain(`**@grpc/grpc-js ${peerDependencies['@grpc/grpc-js'].replace('.0', '')}**`);
  });

  it('shows each step of the demo, and no call lost', () => {
    const picture = read('docs/terminal.svg');
    const titles = [read('examples/demo/steps.ts'), read('examples/demo/rollout-step.ts')].flatMap((text) =>
      [...text.matchAll(/title: ['`]([^'`$]+)/g)].map(([, title]) => `${title}`),
    );
    expect(titles.length).toBeGreaterThan(5);
    expect(titles.filter((title) => !picture.includes(title))).toEqual([]);
    expect(picture).toMatch(/>\d+ calls, 0 lost\.</);
    expect(picture).not.toMatch(/<script|href=/);
    expect(picture.length).toBeLessThan(8_000);
  });
});

describe('the list of examples', () => {
  it('has each once, and says whether it needs a Consul', () => {
    const page = read('examples/README.md');
    const examples = readdirSync(join(root, 'examples')).filter((name) =>
      existsSync(join(root, 'examples', name, 'README.md')),
    );
    const linked = new Set([...page.matchAll(/\]\(([\w-]+)\)/g)].map(([, name]) => name));
    expect([...linked].sort()).toEqual(examples.sort());
    for (const [, name, needs] of page.matchAll(/^\| \[([\w-]+)\]\(.*\| (Node|Consul) \|$/gm)) {
      const folder = join('examples', `${name}`);
      const code = readdirSync(join(root, folder))
        .filter((file) => file.endsWith('.ts'))
        .map((file) => read(join(folder, file)))
        .join('\n');
      expect([name, needs]).toEqual([name, /startConsul/.test(code) ? 'Consul' : 'Node']);
    }
  });
});
