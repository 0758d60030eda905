import * as api from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { describe, expect, it } from 'vitest';
import { keepBaggage, readBaggage } from '../../../src/client/propagation/baggage';
import { createGraylane, type Graylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { type Hop, startHop } from '../../support/hop';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';

describe('a baggage header', () => {
  it.each<[string, readonly string[], Readonly<Record<string, string | null>>]>([
    ['is read by key, decoded, without properties', ['x-gray=can%61ry;p=1, other=1'], { 'x-gray': 'canary' }],
    ['may come in several parts', ['x-gray=canary', 'x-tag=t'], { 'x-gray': 'canary', 'x-tag': 't' }],
    ['has keys of any case', [' X-Gray = canary '], { 'x-gray': 'canary' }],
    ['with a key twice says nothing of it', ['x-gray=a,x-gray=b,x-tag=t'], { 'x-gray': null, 'x-tag': 't' }],
    ['that cannot be decoded says nothing', ['x-gray=%E0%A4%A,x-tag=t'], { 'x-gray': null, 'x-tag': 't' }],
    ['of garbage holds nothing', [';;;,,=,x-gray', 'x-gray'], {}],
    ['of more than 8 KiB holds nothing', [`x-gray=canary,y=${'v'.repeat(8_192)}`], {}],
    ['that is absent holds nothing', [], {}],
  ])('%s', (_, headers, expected) => {
    expect(Object.fromEntries(readBaggage(headers, ['x-gray', 'x-tag']))).toEqual(expected);
  });

  it('keeps only the entries of accepted keys, as they were', () => {
    expect(keepBaggage(['a=1,x-gray=can%61ry;p=1', 'b=2'], ['x-gray'])).toBe('x-gray=can%61ry;p=1');
    expect(keepBaggage(['a=1'], ['x-gray'])).toBeUndefined();
  });
});

describe('a Graylane client with baggage', () => {
  const closing = closeAfterEach();

  function open(baggage: boolean): Graylane {
    new NodeTracerProvider().register();
    closing(undefined, () => {
      api.trace.disable();
      api.context.disable();
      api.propagation.disable();
    });
    return closing(createGraylane({ instances: {}, baggage }), (graylane) => graylane.close());
  }

  /** The active baggage as plain data. */
  function active(): Readonly<Record<string, string>> {
    const entries = api.propagation.getActiveBaggage()?.getAllEntries() ?? [];
    return Object.fromEntries(entries.map(([key, { value }]) => [key, value]));
  }

  it('takes labels from it, after headers, and puts them there, and lets nothing else through', () => {
    const graylane = open(true);
    const middleware = graylane.httpMiddleware({ accept: ['x-gray', 'x-tag'] });
    const headers: Record<string, string> = { 'x-gray': 'header', baggage: 'x-gray=bag,x-tag=bag,evil=1' };
    const outer = api.propagation.setBaggage(
      api.context.active(),
      api.propagation.createBaggage({ evil: { value: '1' } }),
    );
    api.context.with(outer, () =>
      middleware({ headers }, {}, () => {
        expect(graylane.ambientLabels()).toEqual({ 'x-gray': 'header', 'x-tag': 'bag' });
        expect(active()).toEqual({ 'x-gray': 'header', 'x-tag': 'bag' });
        graylane.with({ labels: { 'x-gray': 'inner' } }, () =>
          expect(active()).toEqual({ 'x-gray': 'inner', 'x-tag': 'bag' }),
        );
      }),
    );
    expect(headers['baggage']).toBe('x-gray=bag,x-tag=bag');
  });

  it('counts values of it that are no labels', () => {
    const graylane = open(true);
    graylane.httpMiddleware({ accept: ['x-gray'] })({ headers: { baggage: 'x-gray=a%0d%0ab' } }, {}, () =>
      expect(graylane.ambientLabels()).toEqual({}),
    );
    expect(graylane.inspect().refusedLabels).toEqual({ 'x-gray': 1 });
  });

  it('is one that asks for it: otherwise baggage is left alone', () => {
    const graylane = open(false);
    const headers = { baggage: 'x-gray=bag,evil=1' };
    graylane.httpMiddleware({ accept: ['x-gray'] })({ headers }, {}, () => {
      expect(graylane.ambientLabels()).toEqual({});
      expect(active()).toEqual({});
    });
    graylane.with({ labels: { 'x-gray': 'canary' } }, () => expect(active()).toEqual({}));
    expect(headers.baggage).toBe('x-gray=bag,evil=1');
    expect(() => createGraylane({ baggage: 'yes' as never })).toThrow('baggage: "yes" (expected: true or false)');
  });

  it('hands them on from server to server in the header that the propagator writes', async () => {
    const payments = closing(await startPaymentsServer(), ({ kill }) => kill());
    const hopTo = async (port: number): Promise<Hop> => {
      const graylane = open(true);
      graylane.setInstances('payments', [{ address: '127.0.0.1', port }]);
      const next = paymentsClient(graylane.target('payments'), graylane.clientOptions());
      return closing(await startHop({ graylane, next, accept: { accept: ['x-gray'] } }), (hop) => hop.stop());
    };
    const second = await hopTo(payments.port);
    const first = await hopTo(second.port);
    const caller = closing(paymentsClient(first.address), (client) => client.close());
    expect(await charge(caller, { baggage: 'x-gray=can%61ry,evil=1' })).toMatchObject({ gray: 'canary' });
    expect(first.seen[0]?.get('baggage')).toEqual(['x-gray=can%61ry']);
    expect(second.seen[0]?.get('baggage')).toEqual(['x-gray=canary']);
    expect(second.seen[0]?.get('x-gray')).toEqual(['canary']);
  });
});
