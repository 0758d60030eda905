import { describe, expect, it } from 'vitest';
import { apiPages } from '../../../site/generate/api-reference';
import { commandReference } from '../../../site/generate/command-reference';
import { declarationsOf, exportedNames } from '../../../site/generate/declarations';
import { type Schema, schemaReference } from '../../../site/generate/schema-reference';
import { COMMANDS } from '../../../src/cli/program';
import { controllerSchema } from '../../../src/ops/rollout/config/parse-controller-config';
import { rolloutSchema } from '../../../src/ops/rollout/rollout-schema';
import { policySchema } from '../../../src/policy/policy-schema';

const TYPES = `import type { Channel } from '@grpc/grpc-js';

/**
 * Opens a client for {@link PolicyDocument}. Takes
 * a \`Map<string, string>\` or <nothing>.
 */
export declare function open(name: string): void;

export declare function open(): void;

/** A policy. */
export declare interface PolicyDocument {
    /** Which Consul service. */
    readonly service: string;
    readonly schema: 1;
}

/** Of a result. */
declare interface Part {
    readonly x?: number;
}
`;

describe('declarations', () => {
  it('are read with comments, members and overloads', () => {
    const found = declarationsOf(TYPES);
    expect([...found.keys()]).toEqual(['open', 'PolicyDocument', 'Part']);
    expect(found.get('open')).toMatchObject({
      comment: 'Opens a client for `PolicyDocument`. Takes a `Map<string, string>` or <nothing>.',
      code: 'function open(name: string): void;\nfunction open(): void;',
    });
    expect([...(found.get('PolicyDocument')?.members ?? [])]).toEqual([
      ['service', 'Which Consul service.'],
      ['schema', ''],
    ]);
  });

  it('become a page for each entry, and one for what no entry names', () => {
    const text =
      "/** The client. */\nexport type { PolicyDocument } from './types';\nexport { open } from './types';\n";
    expect(exportedNames(text)).toEqual(['PolicyDocument', 'open']);
    const pages = apiPages([{ name: 'index', specifier: 'graylane', text }], TYPES);
    expect([...pages.keys()]).toEqual(['api-index.md', 'api-parts.md']);
    expect(pages.get('api-index.md')).toMatch(/^# graylane\n\nThe client\.\n\n## open\n[\s\S]*## PolicyDocument\n/);
    // No tag for the builder of the site to stumble over.
    expect(pages.get('api-index.md')).toContain('`Map<string, string>` or &lt;nothing>');
    expect(pages.get('api-parts.md')).toContain('## Part\n\nOf a result.');
  });
});

describe('the reference of the command', () => {
  const page = commandReference(COMMANDS);
  const definitions = COMMANDS.flatMap((each) => ('commands' in each ? each.commands : [each]));

  it('has each command with its options and examples', () => {
    for (const { options = [], examples } of definitions) {
      for (const { flags } of options) expect(page).toContain(`| \`${flags}\` |`);
      for (const example of Object.keys(examples)) expect(page).toContain(example);
    }
    expect([...page.matchAll(/^## graylane /gm)]).toHaveLength(definitions.length);
  });
});

describe('the reference of policies', () => {
  const declarations = declarationsOf(TYPES);
  const reference = { title: 'Policy', intro: 'Every field.', rootType: 'PolicyDocument', declarations };
  const page = schemaReference(policySchema as Schema, reference);

  it('has each field of the schema', () => {
    const missing = [...fieldsOf(policySchema)].filter((name) => !page.includes(`| \`${name}\``));
    expect(missing).toEqual([]);
  });

  it('tells objects apart that have one name and other fields', () => {
    const inner = { type: 'object', properties: { a: { type: 'string' } } };
    const schema: Schema = {
      properties: {
        limits: inner,
        subset: { properties: { limits: { type: 'object', properties: { b: { type: 'string' } } } } },
        other: { properties: { limits: inner } },
      },
    };
    const text = schemaReference(schema, reference);
    expect([...text.matchAll(/^## (.+)$/gm)].map(([, name]) => name)).toEqual([
      'The document',
      '`limits`',
      '`subset`',
      '`other`',
      '`subset.limits`',
    ]);
    expect(text).toContain('| `limits` | [`subset.limits`](#subsetlimits) |');
  });

  it.each([
    ['rollouts', rolloutSchema],
    ["the controller's file", controllerSchema],
  ])('of %s has each field, too', (_, schema) => {
    const text = schemaReference(schema as Schema, reference);
    expect([...fieldsOf(schema)].filter((name) => !text.includes(`| \`${name}\``))).toEqual([]);
  });

  it('explains a field by the schema, else by the comment of its type', () => {
    expect(page).toMatch(/\| `service` \(required\) \| text: a service name.* \| Which Consul service\. \|/);
    expect(page).toMatch(
      /\| `lanes` \| .* \| before the routes: calls whose label names a lane go to its instances \|/,
    );
  });

  it('leads to what an object holds', () => {
    const links = [...page.matchAll(/\]\(#([a-z]+)\)/g)].map(([, anchor]) => `${anchor}`);
    const headings = [...page.matchAll(/^## `?([\w.]+)/gm)].map(([, name]) => `${name}`.toLowerCase().replace('.', ''));
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((anchor) => !headings.includes(anchor))).toEqual([]);
    expect(new Set(headings).size).toBe(headings.length);
  });
});

function fieldsOf(value: unknown, names: Set<string> = new Set()): ReadonlySet<string> {
  if (typeof value !== 'object' || value === null) return names;
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'properties') for (const name of Object.keys(inner)) names.add(name);
    fieldsOf(inner, names);
  }
  return names;
}
