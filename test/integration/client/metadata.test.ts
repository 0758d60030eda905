import * as grpc from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CallReport, createGraylane, type Graylane } from '../../../src/index';
import { GRAY } from '../../support/gray-policy';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';

const logged: string[] = [];
const log = (...args: unknown[]): void => void logged.push(JSON.stringify(args));
const logger = { debug: log, info: log, warn: log, error: log };

let servers: PaymentsServer[];
let graylane: Graylane;
let client: PaymentsClient;

beforeAll(async () => {
  servers = await Promise.all(['stable', 'canary'].map((name) => startPaymentsServer({ name, version: name })));
  graylane = createGraylane({
    logger,
    instances: { payments: servers.map(({ name, host, port }) => ({ address: host, port, tags: [name] })) },
    policies: {
      payments: {
        ...GRAY,
        routes: [
          { name: 'gray', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
          { name: 'regex', match: { labels: { 'x-build': { regex: '(a+)+b' } } }, to: 'canary' },
          { name: 'baggage', match: { labels: { baggage: { contains: 'lane=canary' } } }, to: 'canary' },
        ],
      },
    },
  });
  client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
});

afterAll(async () => {
  await graylane.close();
  for (const server of servers) server.kill();
});

/** Sent as it is: what grpc-js itself lets through, and no more. */
async function sent(fill: (metadata: grpc.Metadata) => void): Promise<{ version: string; route: string | undefined }> {
  const metadata = new grpc.Metadata();
  fill(metadata);
  let report: CallReport | undefined;
  const observe = (one: CallReport): void => {
    report = one;
  };
  const { version } = await graylane.with({ observe }, () => charge(client, metadata));
  return { version, route: report?.decision?.route };
}

describe('metadata from outside', () => {
  it('that is repeated counts as absent, however alike it is', async () => {
    const repeated = (values: readonly string[]): Promise<unknown> =>
      sent((metadata) => {
        for (const value of values) metadata.add('x-gray', value);
      });
    expect(await repeated(['canary'])).toEqual({ version: 'canary', route: 'gray' });
    expect(await repeated(['canary', 'canary'])).toEqual({ version: 'stable', route: 'default' });
    expect(await repeated(['canary', 'stable'])).toEqual({ version: 'stable', route: 'default' });
  });

  it('that is binary matches nothing', async () => {
    expect(await sent((metadata) => metadata.set('x-gray-bin', Buffer.from('canary')))).toMatchObject({
      version: 'stable',
    });
  });

  it('keys match in whatever case, values only in their own', async () => {
    expect(await sent((metadata) => metadata.set('X-GRAY', 'canary'))).toMatchObject({ version: 'canary' });
    expect(await sent((metadata) => metadata.set('x-gray', 'Canary'))).toMatchObject({ version: 'stable' });
  });

  it('of 8 KiB of baggage is neither an error nor a match, nor is a long value costly to a regular expression', async () => {
    const filler = 'k=v,'.repeat(2_048);
    expect(await sent((metadata) => metadata.set('baggage', filler))).toMatchObject({ version: 'stable' });
    const began = performance.now();
    const long = await sent((metadata) => metadata.set('x-build', `${'a'.repeat(8_000)}b`));
    expect(long).toMatchObject({ version: 'stable' });
    expect(performance.now() - began).toBeLessThan(3_000);
  });

  it('of whatever kind never throws on the call path, never matches by accident, and is never logged', async () => {
    const key = fc.oneof(
      fc.constantFrom('x-gray', 'X-Gray', 'x-gray-bin', 'x-build', 'baggage', '__proto__', 'constructor', 'tostring'),
      fc.stringMatching(/^[a-z0-9_.-]{1,12}$/),
    );
    const value = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom('canary ', ' canary', 'CANARY', 'canary,canary', 'sentinel-value'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(key, value), { maxLength: 6 }), async (entries) => {
        const outcome = await sent((metadata) => {
          for (const [name, content] of entries) {
            try {
              if (name.endsWith('-bin')) metadata.add(name, Buffer.from(content));
              else metadata.add(name, content);
            } catch {
              // grpc-js refuses it itself: nothing that could be sent.
            }
          }
        }).catch((error: grpc.ServiceError) => error);
        // HTTP/2 may refuse what grpc-js lets through; a match is what must not come of it.
        if (outcome instanceof Error) expect(outcome.message).not.toMatch(/TypeError|undefined|graylane/i);
        else expect(outcome).toEqual({ version: 'stable', route: 'default' });
      }),
      { numRuns: 300 },
    );
    expect(logged.join('\n')).not.toContain('sentinel-value');
  });
});
