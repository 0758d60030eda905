import { describe, expect, it } from 'vitest';
import { createGraylane } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { charge, paymentsClient, startPaymentsServer, tally } from '../../support/payments';
import { untilConnected } from '../../support/until-ready';

const closing = closeAfterEach();

describe('an endpoint that is overdue', () => {
  it('is passed over until it answers again, and then has its share at once', async () => {
    const servers = await Promise.all(
      ['hanging', 'steady'].map(async (name) => closing(await startPaymentsServer({ name }), (one) => one.kill())),
    );
    const graylane = closing(
      createGraylane({
        instances: { payments: servers.map(({ name, host, port }) => ({ id: name, address: host, port })) },
        policies: { payments: { schema: 1, service: 'payments', balancing: { algorithm: 'round_robin' } } },
      }),
      (opened) => opened.close(),
    );
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    const shareOf = async (name: string): Promise<number> => {
      const counts = await tally(
        100,
        (reply) => reply.servedBy,
        () => charge(client),
        4,
      );
      return (counts.get(name) ?? 0) / 100;
    };
    await graylane.ready('payments');
    await untilConnected(graylane);
    expect(await shareOf('hanging')).toBe(0.5);

    servers[0]?.behave({ delayMs: 3_000 });
    const overdue = [charge(client), charge(client)];
    const isSuspect = (): boolean =>
      graylane.inspect().services[0]?.endpoints.find((endpoint) => endpoint.instance === 'hanging')?.isSuspect ?? false;
    await expect.poll(isSuspect, { interval: 10 }).toBe(true);
    expect(await shareOf('hanging')).toBe(0);

    servers[0]?.behave(undefined);
    await Promise.all(overdue);
    await pause(250);
    expect(await shareOf('hanging')).toBe(0.5);
  });
});
