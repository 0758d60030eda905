import { describe, expect, it } from 'vitest';
import { Methods } from '../../../../../src/client/balancer/attempts/methods';
import type { Endpoint } from '../../../../../src/client/balancer/endpoints/endpoint';
import { endpointAt } from '../connections';

const POLL = '/x.S/Poll';
const GET = '/x.S/Get';
const INTERNAL = 13;
const UNKNOWN = 2;

/** Methods by path. */
class Records {
  readonly #methods = new Methods();

  answered(path: string, endpoint: Endpoint, nowMs: number): void {
    this.#methods.answered(this.#methods.of(path), endpoint, nowMs);
  }

  silent(path: string, endpoint: Endpoint, startedAtMs: number): unknown {
    return this.#methods.silent(this.#methods.of(path), endpoint, startedAtMs);
  }

  failed(path: string, endpoint: Endpoint, code: number, nowMs: number): unknown {
    return this.#methods.failed(this.#methods.of(path), endpoint, code, nowMs);
  }
}

function records(): { readonly methods: Records; readonly a: Endpoint; readonly b: Endpoint } {
  return { methods: new Records(), a: endpointAt(0), b: endpointAt(1) };
}

describe('silence of a method', () => {
  it('is the endpoint that keeps silent, where nothing at all was answered meanwhile', () => {
    const { methods, a } = records();
    expect(methods.silent(POLL, a, 10)).toBe('silent');
    methods.answered(GET, a, 20);
    expect(methods.silent(POLL, a, 21)).toBe('silent');
  });

  it('is the method, where it has hardly been answered and other calls are', () => {
    const { methods, a, b } = records();
    for (let time = 0; time < 3; time += 1) methods.answered(POLL, a, time);
    methods.answered(GET, b, 20);
    expect(methods.silent(POLL, a, 10)).toBe('neutral');
    methods.answered(POLL, a, 21);
    // By now it is known to be answered, as far as nothing else speaks for the endpoint.
    expect(methods.silent(POLL, a, 22)).toBe('silent');
  });

  it('is the method, where the endpoint answers and the first silences fall on it by chance', () => {
    const { methods, a, b } = records();
    for (let time = 0; time < 11; time += 1) methods.answered(POLL, b, time);
    methods.answered(GET, a, 20);
    for (let time = 0; time < 8; time += 1) expect(methods.silent(POLL, a, 15)).toBe('neutral');
    methods.answered(POLL, b, 21);
    // By now others would have been silent, too: a failure, and no silence of an endpoint that has answered since.
    expect(methods.silent(POLL, a, 15)).toBe('failure');
  });

  it('is the method, where it is silent at several endpoints: in a tenth of its calls, or in half of them', () => {
    const { methods, a, b } = records();
    for (let time = 0; time < 18; time += 1) methods.answered(POLL, b, time);
    methods.answered(GET, a, 50);
    expect(methods.silent(POLL, b, 40)).toBe('silent');
    // Two of twenty, and the endpoint has been heard meanwhile.
    expect(methods.silent(POLL, a, 40)).toBe('neutral');
    methods.answered(GET, b, 60);
    for (let time = 0; time < 15; time += 1) expect(methods.silent(POLL, a, 55)).toBe('silent');
    // Eighteen of thirty-six.
    expect(methods.silent(POLL, a, 55)).toBe('neutral');
  });

  it('is a failure of the endpoint that answers others, where the method is silent at no other one, however often', () => {
    const { methods, a, b } = records();
    for (let time = 0; time < 18; time += 1) methods.answered(GET, b, time);
    methods.answered('/x.S/Other', a, 50);
    for (let time = 0; time < 30; time += 1) expect(methods.silent(GET, a, 40)).toBe('failure');
  });
});

describe('a method that fails', () => {
  it('everywhere with one code is to blame itself, at endpoints that answer other calls', () => {
    const { methods, a, b } = records();
    methods.answered(POLL, a, 0);
    expect(methods.failed(POLL, a, INTERNAL, 10)).toBe('failure');
    expect(methods.failed(POLL, b, INTERNAL, 11)).toBe('failure');
    methods.answered(GET, a, 12);
    expect(methods.failed(POLL, a, INTERNAL, 13)).toBe('neutral');
    expect(methods.failed(POLL, b, INTERNAL, 14)).toBe('failure');
  });

  it('is not, once it was answered well anywhere, or fails with another code', () => {
    const { methods, a, b } = records();
    const fail = (code: number): unknown[] => [a, b, a].map((one, time) => methods.failed(POLL, one, code, 10 + time));
    fail(INTERNAL);
    methods.answered(GET, a, 20);
    expect(methods.failed(POLL, a, INTERNAL, 21)).toBe('neutral');
    expect(methods.failed(POLL, a, UNKNOWN, 22)).toBe('failure');
    fail(INTERNAL);
    methods.answered(POLL, b, 30);
    expect(methods.failed(POLL, a, INTERNAL, 31)).toBe('failure');
  });
});

it('remembers a thousand methods, and judges the rest as if it knew none', () => {
  const { methods, a } = records();
  for (let name = 0; name < 1_000; name += 1) methods.answered(`/x.S/${name}`, a, 1);
  methods.answered(GET, a, 100);
  expect(methods.silent('/x.S/0', a, 50)).toBe('neutral');
  expect(methods.silent('/x.S/more', a, 50)).toBe('silent');
});
