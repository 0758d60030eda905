import { describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';

const closing = closeAfterEach();

function open(options: GraylaneOptions): Graylane {
  return closing(createGraylane(options), (graylane) => graylane.close());
}

async function opened(name: string): Promise<Graylane> {
  const server = closing(await startPaymentsServer({ name }), (one) => one.kill());
  return open({ name, instances: { payments: [{ address: server.host, port: server.port }] } });
}

/** Of a client that was given a target and nothing else. */
async function servedBy(): Promise<string> {
  const client = closing(paymentsClient('static:///payments'), (one) => one.close());
  return (await charge(client)).servedBy;
}

describe('a bare target', () => {
  it('finds the only open Graylane client, and the registered one among several', async () => {
    const first = await opened('first');
    expect(await servedBy()).toBe('first');
    const second = await opened('second');
    second.register();
    expect(await servedBy()).toBe('second');
    await second.close();
    expect(await servedBy()).toBe('first');
    await first.close();
  });

  it('throws at construction when there is no Graylane client, or several', async () => {
    expect(() => paymentsClient('static:///payments')).toThrow(
      expect.objectContaining({ code: 'NO_CLIENT', message: expect.stringContaining('createGraylane') }),
    );
    await opened('first');
    await opened('second');
    expect(() => paymentsClient('static:///payments')).toThrow(
      expect.objectContaining({ code: 'NO_CLIENT', message: expect.stringContaining('first, second') }),
    );
  });

  it('is refused at construction when it is bad, in the words of this library', async () => {
    await opened('first');
    for (const target of ['consul:///', 'consul:///a..b', 'consul:///pay%2fments', 'static:///payments?nope=1']) {
      expect(() => paymentsClient(target)).toThrow(expect.objectContaining({ code: 'INVALID_TARGET' }));
    }
  });
});

describe('two Graylane clients', () => {
  it('never mix: their own instances, policies and scopes', async () => {
    const first = await opened('first');
    const second = await opened('second');
    const clients = [first, second].map((graylane) =>
      paymentsClient(graylane.target('payments'), graylane.clientOptions()),
    );
    const replies = await first.with({ labels: { 'x-tag': 'of-first' } }, () =>
      Promise.all(clients.map((client) => charge(client))),
    );
    expect(replies.map(({ servedBy: by, tag }) => `${by} ${tag}`)).toEqual(['first of-first', 'second ']);
    expect(first.inspect().services[0]?.endpoints).toHaveLength(1);
  });

  it('refuse to share: options with a channel factory in them already', async () => {
    const first = await opened('first');
    const second = await opened('second');
    expect(() => second.clientOptions(first.clientOptions())).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
  });
});
