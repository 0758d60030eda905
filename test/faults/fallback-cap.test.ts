import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createGraylane, type PolicyDocument } from '../../src/index';
import { closeAfterEach } from '../support/closers';
import { printFact } from '../support/figure';
import { charge, type PaymentsClient, paymentsClient, startPaymentsServer } from '../support/payments';

const closing = closeAfterEach();

function policy(changes: object = {}): PolicyDocument {
  return {
    schema: 1,
    service: 'payments',
    subsets: {
      stable: { tags: ['stable'] },
      canary: { tags: ['canary'], fallback: 'stable', fallbackMaxPercentage: 25 },
    },
    default: 'canary',
    ...changes,
  };
}

async function open(document: PolicyDocument, canaries: number) {
  const stable = await Promise.all(['s0', 's1'].map((name) => startPaymentsServer({ name, version: 'stable' })));
  const canary = await Promise.all(
    Array.from({ length: canaries }, (_, n) => startPaymentsServer({ name: `c${n}`, version: 'canary' })),
  );
  for (const server of [...stable, ...canary]) closing(server, (each) => each.kill());
  const instances = [...stable, ...canary].map(({ host, port, version }) => ({ address: host, port, tags: [version] }));
  const graylane = closing(
    createGraylane({ instances: { payments: instances }, policies: { payments: document } }),
    (opened) => opened.close(),
  );
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  const asked = (servers: typeof stable): number => servers.reduce((sum, { calls }) => sum + calls, 0);
  return { graylane, client, canary, askedStable: () => asked(stable) };
}

async function run(client: PaymentsClient, calls: number): Promise<Record<string, number>> {
  const ends: Record<string, number> = {};
  for (let call = 0; call < calls; call += 1) {
    const end = await charge(client, {}, { deadline: Date.now() + 2_000 }).then(
      ({ version }) => version,
      (error: grpc.ServiceError) => `${grpc.status[error.code]}: ${error.details}`,
    );
    ends[end] = (ends[end] ?? 0) + 1;
  }
  return ends;
}

describe('a fallback that takes at most 25 % of the calls', () => {
  it('gets no more when the subset fails every call, and the others fail as it does', async () => {
    const { graylane, client, canary, askedStable } = await open(policy(), 2);
    await graylane.ready('payments');
    for (const server of canary) server.behave({ code: grpc.status.INTERNAL, details: 'the canary is ill' });
    const ends = await run(client, 1_000);
    const share = askedStable() / 1_000;
    printFact('fallback capped at 25 %, canary fails every call', `${(share * 100).toFixed(1)} % went to stable`);
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.27);
    expect(Object.keys(ends).sort()).toEqual(['INTERNAL: the canary is ill', 'stable']);
  });

  it('gets no more when the subset has nobody, and the others are told', async () => {
    const { client, askedStable } = await open(policy(), 0);
    const ends = await run(client, 400);
    expect(askedStable() / 400).toBeGreaterThan(0.2);
    expect(askedStable() / 400).toBeLessThan(0.29);
    expect(Object.keys(ends)).toContainEqual(
      expect.stringContaining(
        'payments/canary: 2 registered in local, none in canary (tags: [canary]); fallback stable: takes at most 25 % of these calls (fallbackMaxPercentage)',
      ),
    );
  });

  it('saves every call while few fail', async () => {
    const retry = { maxAttempts: 2, retryableStatusCodes: ['INTERNAL'] };
    const { graylane, client, canary } = await open(policy({ retry, breaker: { enabled: false } }), 2);
    await graylane.ready('payments');
    let lost = 0;
    for (let call = 0; call < 400; call += 1) {
      const isIll = call % 10 === 9;
      for (const server of canary) server.behave(isIll ? { code: grpc.status.INTERNAL } : undefined);
      const ends = await run(client, 1);
      if ((ends['stable'] ?? 0) + (ends['canary'] ?? 0) === 0) lost += 1;
    }
    expect(lost).toBe(0);
  });
});
