import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { rolloutSchema } from '../../../src/ops/rollout/rollout-schema';
import { wavesSchema } from '../../../src/ops/rollout/waves/waves-schema';
import { parseDocumentText } from '../../../src/policy/parse-text';
import { policySchema } from '../../../src/policy/policy-schema';
import { validatePolicy } from '../../../src/policy/validate';
import { everyPage, type Fence, fencesOf, pages, readPage, root } from './fences';

const fences = pages.flatMap(fencesOf);

/** What a reader has beside the snippet: a Graylane client, a generated client, the application around it. */
const SURROUNDINGS = `
import type * as grpc from '@grpc/grpc-js';
import type { Graylane } from 'graylane';
declare global {
  class PaymentsClient {
    constructor(target: string, credentials: grpc.ChannelCredentials, options?: grpc.ClientOptions);
    charge(request: object, metadata: grpc.Metadata, callback: (error: grpc.ServiceError | null) => void): void;
  }
  const graylane: Graylane;
  const client: PaymentsClient;
  const request: object;
  const callback: (error: grpc.ServiceError | null) => void;
  function chargeAndNotify(): Promise<void>;
  function readToken(): Promise<string>;
  function stopTakingRequests(): Promise<void>;
  const readFileSync: typeof import('node:fs').readFileSync;
}
`;

/** The compiler's complaints about these files, and about the examples when asked to. */
async function typeCheck(snippets: readonly Fence[]): Promise<string> {
  await mkdir(join(root, '.cache'), { recursive: true });
  const folder = await mkdtemp(join(root, '.cache', 'snippets-'));
  try {
    await writeFile(join(folder, 'surroundings.d.mts'), SURROUNDINGS);
    for (const [index, { where, text }] of snippets.entries()) {
      await writeFile(join(folder, `snippet-${index}.mts`), `// ${where}\n${text}\nexport {};\n`);
    }
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../examples/tsconfig.json',
        // A snippet may declare what it does not use.
        compilerOptions: { rootDir: '../..', noUnusedLocals: false },
        include: ['.'],
        exclude: [],
      }),
    );
    return await compile(join(folder, 'tsconfig.json'), snippets);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function compile(config: string, snippets: readonly Fence[] = []): Promise<string> {
  const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  try {
    await promisify(execFile)(process.execPath, [compiler, '-p', config], { cwd: root });
    return '';
  } catch (error) {
    const { stdout = '' } = error as { stdout?: string };
    return stdout.replace(/\S*snippet-(\d+)\.mts/g, (_, index) => snippets[Number(index)]?.where ?? '');
  }
}

describe('snippets', () => {
  it('in TypeScript compile against this library', async () => {
    const snippets = fences.filter((fence) => fence.language === 'ts');
    expect(snippets.length).toBeGreaterThan(15);
    expect(await typeCheck(snippets)).toBe('');
  });

  it('that do not compile are noticed', async () => {
    const wrong = { language: 'ts', where: 'here:1', text: 'graylane.target(42);' };
    expect(await typeCheck([wrong])).toMatch(/here:1.*TS2345/);
  });

  const documents = fences.filter(
    ({ language, text }) => (language === 'yaml' && text.startsWith('schema: 1')) || /^\{\s*"schema": 1/.test(text),
  );

  it('hold policies', () => {
    expect(documents.length).toBeGreaterThan(8);
  });

  it.each(documents.map((fence) => [fence.where, fence] as const))('%s is a policy without a fault', (_, fence) => {
    const { value, problems } = parseDocumentText(fence.text, fence.language === 'yaml' ? 'yaml' : 'json');
    expect(problems).toEqual([]);
    expect(validatePolicy(value, { service: 'payments' })).toMatchObject({ problems: [], warnings: [] });
  });

  const data = fences.filter((fence) => ['json', 'yaml'].includes(fence.language) && !documents.includes(fence));

  it.each(data.map((fence) => [fence.where, fence] as const))('%s can be read', (_, { text, language }) => {
    expect(() => (language === 'json' ? JSON.parse(text) : parseYaml(text))).not.toThrow();
  });
});

describe('examples', () => {
  it('compile against this library', async () => {
    expect(await compile(join(root, 'examples', 'tsconfig.json'))).toBe('');
  });
});

describe('pages', () => {
  it.each(everyPage)('%s links to what is there', (page) => {
    const targets = [...readPage(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#[^)\s]*)?\)/g)].map((match) => match[1]);
    const missing = targets.filter((target) => target !== '' && !existsSync(join(root, dirname(page), target ?? '')));
    expect(missing).toEqual([]);
  });

  it.each(everyPage)('%s links to headings that are there', (page) => {
    const links = [...readPage(page).matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]*)\)/g)];
    const missing = links.filter(([, file, anchor]) => {
      const target = file === '' ? page : join(dirname(page), file ?? '');
      return target.endsWith('.md') && !anchorsOf(target).has(anchor ?? '');
    });
    expect(missing.map(([link]) => link)).toEqual([]);
  });

  it.each([
    ['policy', 'docs/policies.md', policySchema],
    // What conditions of a match there are is said of policies.
    ['rollout', 'docs/rollouts.md', { ...rolloutSchema, definitions: {} }],
    ['waves', 'docs/rollouts.md', { ...wavesSchema, definitions: {} }],
  ])('name every field of a %s', (_, page, published) => {
    const text = readPage(page);
    const missing = [...propertiesOf(published)].filter((name) => !text.includes(`\`${name}\``));
    expect(missing).toEqual([]);
  });
});

/** What a page's headings can be linked to by, as GitHub makes it of them. */
function anchorsOf(page: string): ReadonlySet<string> {
  const headings = [...readPage(page).matchAll(/^#+ (.+)$/gm)].map(([, text]) => text ?? '');
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function propertiesOf(value: unknown, names: Set<string> = new Set()): ReadonlySet<string> {
  if (typeof value !== 'object' || value === null) return names;
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'properties') for (const name of Object.keys(inner)) names.add(name);
    propertiesOf(inner, names);
  }
  return names;
}
