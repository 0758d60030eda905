import * as grpc from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { fakeService } from '../../../src/client/testing/fake-service';
import { createGraylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { charge, Payments, paymentsClient } from '../../support/payments';

const opened = closeAfterEach();

/** Two of three fail, never three in a row. */
const FAILING = [true, false, true, true, false, true, true, false, true];

it.each([
  { before: 40, state: 'closed', counts: { successes: 43, failures: 6 } },
  // Four of six.
  { before: 0, state: 'open', counts: { successes: 2, failures: 4 } },
])('the first failures of an endpoint after $before good answers: its breaker is $state', async (expected) => {
  let failing: readonly boolean[] = [];
  const service = opened(
    await fakeService(Payments, {
      charge: () => {
        const [isFailing, ...rest] = failing;
        failing = rest;
        if (isFailing === true) throw Object.assign(new Error('for once'), { code: grpc.status.UNAVAILABLE });
        return { order: 'o-1' };
      },
    }),
    (one) => one.stop(),
  );
  const graylane = opened(
    createGraylane({
      instances: { payments: [service.instance] },
      policies: { payments: { schema: 1, service: 'payments', retry: 'off' } },
    }),
    (one) => one.close(),
  );
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  await graylane.ready('payments');
  for (let call = 0; call < expected.before; call += 1) await charge(client);
  failing = FAILING;
  for (const _ of FAILING) await charge(client).catch(() => undefined);
  expect(graylane.breakers.list()).toMatchObject([
    { level: 'endpoint', state: expected.state, counts: expected.counts },
  ]);
});
