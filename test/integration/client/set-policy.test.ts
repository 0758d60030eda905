import { describe, expect, it } from 'vitest';
import { createGraylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { GRAY } from '../../support/gray-policy';
import { CHARGE, startPaymentsServer } from '../../support/payments';

const closing = closeAfterEach();

function policy(): PolicyDocument {
  return {
    ...GRAY,
    routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
  };
}

describe('a policy that was given as an object', () => {
  it('is taken as it was when it was given', async () => {
    const server = await startPaymentsServer({ name: 'a', version: 'v1' });
    closing(server, (it) => it.kill());
    const instances = { payments: [{ address: server.host, port: server.port, tags: ['stable'] }] };
    const given = policy();
    const graylane = closing(createGraylane({ instances, policies: { payments: given } }), (it) => it.close());
    const later = policy();
    graylane.setPolicy('payments', later);
    for (const document of [given, later]) Object.assign(document, { default: 'canary' });
    await graylane.ready('payments', { timeoutMs: 2_000 });
    expect(graylane.explain('payments', { method: CHARGE }).tiers.map(({ subset }) => subset)).toEqual(['stable']);
  });
});
