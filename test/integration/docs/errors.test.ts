import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type GraylaneErrorCode, type GraylaneOptions } from '../../../src/index';
import { paymentsClient } from '../../support/payments';
import { readPage, root } from './fences';

const page = readPage('docs/errors.md');
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((text) => [text.slice(0, text.indexOf('\n')), text] as const),
);
const codes = [
  ...readFileSync(join(root, 'src/base/errors.ts'), 'utf8')
    .slice(0, 900)
    .matchAll(/^ {2}\| '([A-Z_]+)'/gm),
].map(([, code]) => `${code}`);
const open: Graylane[] = [];

function client(options: GraylaneOptions = { instances: { payments: [] } }): Graylane {
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const made = createGraylane({ logger: silent, ...options });
  open.push(made);
  return made;
}

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

describe('docs/errors.md', () => {
  it('has a section with a cure for each code, and a row in the table', () => {
    expect(codes.length).toBeGreaterThan(10);
    expect(codes.filter((code) => !page.includes(`| [${code}](#${code.toLowerCase()}) |`))).toEqual([]);
    const without = codes.filter((code) => !sections.get(code)?.includes('**Cure.**'));
    expect(without).toEqual(['DISCOVERY_FAILED']);
  });

  it('says truly that one is never thrown', () => {
    const errors = readFileSync(join(root, 'src/base/errors.ts'), 'utf8');
    expect(errors.match(/DISCOVERY_FAILED/g)).toHaveLength(1);
  });

  const provoked: readonly (readonly [GraylaneErrorCode, string, () => unknown])[] = [
    ['INVALID_OPTION', 'an option', () => client({ connectTimeoutMs: 0 })],
    ['INVALID_OPTION', 'a slip', () => client().with({ lables: {} } as never, () => undefined)],
    ['INVALID_TARGET', 'a target', () => client().target('pay ments')],
    [
      'INVALID_POLICY',
      'a policy',
      () =>
        client({
          instances: { payments: [] },
          policies: {
            payments: { schema: 1, service: 'payments', subsets: { stable: {} }, routes: [{ to: 'canray' } as never] },
          },
        }),
    ],
    ['INVALID_INSTANCE', 'an instance', () => client({ instances: { payments: [{ address: '127.0.0.1', port: 0 }] } })],
    ['INVALID_LABEL', 'a label', () => client().metadata({ 'grpc-timeout': '1S' })],
    ['NO_CLIENT', 'none open', () => paymentsClient('static:///payments')],
    [
      'NO_CLIENT',
      'several open',
      () => {
        for (const name of ['b1', 'b2']) client({ name, instances: { payments: [] } });
        return paymentsClient('static:///payments');
      },
    ],
    [
      'CLIENT_CLOSED',
      'after close()',
      async () => {
        const closed = client({ name: 'payments-client', instances: { payments: [] } });
        await closed.close();
        return closed.channel('payments', grpc.credentials.createInsecure());
      },
    ],
    [
      'CHANNEL_CLOSED',
      'a closed client',
      () => {
        const graylane = client();
        const payments = paymentsClient(graylane.target('payments'), graylane.clientOptions());
        payments.close();
        return new Promise((_, reject) => payments.charge({}, new grpc.Metadata(), reject));
      },
    ],
    ['NOT_READY', 'nobody is there', () => client().ready('payments', { timeoutMs: 50 })],
  ];

  it.each(provoked)('shows what %s says: %s', async (code, _, provoke) => {
    const error: unknown = await (async () => provoke())().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    const { message } = error as Error;
    const shown = [...`${sections.get(code)}`.matchAll(/^```text\n([\s\S]*?)\n```$/gm)].map(([, text]) => `${text}`);
    expect(shown.join('\n')).toContain(message);
  });
});
