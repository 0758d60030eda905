import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { KnownMethods } from '../../../../src/client/grpc/known-methods';
import { Payments } from '../../../support/payments';

const CHARGE = '/shop.v1.Payments/Charge';

function method(requestStream: boolean, responseStream: boolean, rest: object = {}): object {
  return { path: CHARGE, requestStream, responseStream, ...rest };
}

describe('known methods', () => {
  it.each([
    [false, false, 'unary'],
    [true, false, 'clientStream'],
    [false, true, 'serverStream'],
    [true, true, 'bidi'],
  ] as const)('are of a kind (requests stream: %s, responses: %s)', (requestStream, responseStream, kind) => {
    const known = new KnownMethods();
    known.learn({ Charge: method(requestStream, responseStream) });
    expect(known.byPath.get(CHARGE)).toEqual({ kind, isIdempotent: false });
  });

  it.each([
    [{ idempotency_level: 'IDEMPOTENT' }, true],
    [{ idempotency_level: 'NO_SIDE_EFFECTS' }, true],
    [{ idempotency_level: 'IDEMPOTENCY_UNKNOWN' }, false],
    [{ idempotency_level: 1 }, true],
    [{ idempotency_level: 2 }, true],
    [{ idempotency_level: 0 }, false],
    [{ idempotencyLevel: 'IDEMPOTENT' }, true],
    [{ idempotencyLevel: 'NO_SIDE_EFFECTS' }, true],
    [{}, false],
    [undefined, false],
    ['IDEMPOTENT', false],
  ])('may run again as their options say: %j', (options, isIdempotent) => {
    const known = new KnownMethods();
    known.learn({ Charge: method(false, false, { options }) });
    expect(known.byPath.get(CHARGE)?.isIdempotent).toBe(isIdempotent);
  });

  it("are read from ts-proto's definitions for nice-grpc, which name methods and no paths", () => {
    const known = new KnownMethods();
    const charge = { name: 'Charge', requestStream: false, responseStream: false };
    known.learn({
      name: 'Payments',
      fullName: 'shop.v1.Payments',
      methods: { charge: { ...charge, options: { idempotencyLevel: 'IDEMPOTENT' } } },
    });
    expect(known.byPath.get(CHARGE)).toEqual({ kind: 'unary', isIdempotent: true });
  });

  it('are read from the class of a client at its first call, though the call itself tells no options', () => {
    const known = new KnownMethods();
    const service = { Charge: method(false, false, { options: { idempotency_level: 'IDEMPOTENT' } }) };
    const client = grpc.makeGenericClientConstructor(service as never, 'Payments').prototype;
    const transform = known.learnFrom(undefined) as (this: unknown, call: object) => unknown;
    const call = { methodDefinition: method(false, false) };
    expect(transform.call(client, call)).toBe(call);
    expect(known.byPath.get(CHARGE)).toEqual({ kind: 'unary', isIdempotent: true });
  });

  it('are of the kind that the call at hand has, whatever an older definition said', () => {
    const known = new KnownMethods();
    known.learn({ Charge: method(false, false, { options: { idempotency_level: 'IDEMPOTENT' } }) });
    known.learnFrom(undefined)({ methodDefinition: method(false, true) } as never);
    expect(known.byPath.get(CHARGE)).toEqual({ kind: 'serverStream', isIdempotent: true });
  });

  it("leave the last word on the call to the user's own transformer, called as grpc-js calls it", () => {
    const known = new KnownMethods();
    const client = {};
    const transform = known.learnFrom(function (this: unknown, call) {
      return { ...call, self: this } as never;
    }) as (this: unknown, call: object) => unknown;
    expect(transform.call(client, { methodDefinition: method(false, false) })).toMatchObject({ self: client });
  });

  it.each([null, undefined, 7, 'x', [], {}, { Charge: null }, { Charge: { path: 7 } }, { methods: 7 }])(
    'pass over what is no definition: %j',
    (definition) => {
      const known = new KnownMethods();
      known.learn(definition);
      expect(known.byPath.get(CHARGE)).toBeUndefined();
    },
  );

  it('are bounded, whatever paths a proxy makes up', () => {
    const known = new KnownMethods();
    const transform = known.learnFrom(undefined);
    for (let index = 0; index < 5_000; index += 1) {
      transform({ methodDefinition: { path: `/x/${index}`, requestStream: false, responseStream: false } } as never);
    }
    expect([known.byPath.get('/x/0'), known.byPath.get('/x/4999')]).toEqual([
      { kind: 'unary', isIdempotent: false },
      undefined,
    ]);
  });

  it('know a definition of proto-loader', () => {
    const known = new KnownMethods();
    known.learn(Payments.service);
    expect(known.byPath.get(CHARGE)?.kind).toBe('unary');
  });
});
