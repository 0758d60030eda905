import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createGraylane, type GraylaneOptions } from '../../../src/index';
import { drainServer, registerInstance } from '../../../src/server';
import { closeAfterEach } from '../../support/closers';

const closing = closeAfterEach();
const METHOD = '/shop.v1.Payments/Charge';

/** What a plain JavaScript program may write without anybody telling it. */
function told(run: (graylane: ReturnType<typeof createGraylane>) => unknown): string {
  const graylane = closing(createGraylane({ instances: { payments: [] } }), (one) => one.close());
  try {
    run(graylane);
  } catch (error) {
    return (error as Error).message;
  }
  return 'taken';
}

const create = (options: unknown) => (): unknown => createGraylane(options as GraylaneOptions).close();

describe('a key that nobody reads is refused where it is given', () => {
  it.each<[string, (graylane: ReturnType<typeof createGraylane>) => unknown, string]>([
    ['createGraylane', create({ lables: {} }), 'lables: unknown (expected: name, '],
    ['createGraylane: hint', create({ lables: {} }), '; did you mean labels?)'],
    ['consul', create({ consul: { adress: 'x' } }), 'consul.adress: unknown (expected: address, '],
    ['consul: hint', create({ consul: { adress: 'x' } }), '; did you mean address?)'],
    ['consul.tls', create({ consul: { tls: { cert: 'x', certt: 'x' } } }), 'consul.tls.certt: unknown'],
    ['protection', create({ protection: { windoMs: 1 } }), 'protection.windoMs: unknown'],
    ['telemetry', create({ telemetry: { trace: false } }), 'telemetry.trace: unknown'],
    ['with', (one) => one.with({ lables: {} } as never, () => {}), 'with.lables: unknown (expected: labels, '],
    ['with.force', (one) => one.with({ force: { subsets: 'a' } } as never, () => {}), 'with.force.subsets: unknown'],
    ['target', (one) => one.target('payments', { tag: ['a'] } as never), 'target.tag: unknown'],
    ['explain', (one) => one.explain('payments', { metod: METHOD } as never), 'explain.metod: unknown'],
    ['on', (one) => one.on('decision', () => {}, { samples: 1 } as never), 'on.samples: unknown'],
    ['serverInterceptor', (one) => one.serverInterceptor({ acept: [] } as never), 'serverInterceptor.acept: unknown'],
    ['httpMiddleware', (one) => one.httpMiddleware({ accepts: [] } as never), 'httpMiddleware.accepts: unknown'],
    ['registerInstance', () => registerInstance({ nam: 'x', port: 1 } as never), 'instance.nam: unknown'],
    ['drainServer', () => drainServer({ settle: 1 } as never), 'drain.settle: unknown'],
  ])('%s', (_, run, message) => {
    expect(told(run)).toContain(message);
  });

  it('by ready() as well, which rejects', async () => {
    const graylane = closing(createGraylane({ instances: { payments: [] } }), (one) => one.close());
    await expect(graylane.ready('payments', { timeout: 5 } as never)).rejects.toThrow('ready.timeout: unknown');
  });
});

describe('what is no object of options is told as a whole', () => {
  it.each<[string, (graylane: ReturnType<typeof createGraylane>) => unknown, string]>([
    ['createGraylane', create('http://x'), 'options: a string (expected: an object with name, '],
    ['consul', create({ consul: 'http://x' }), 'consul: a string (expected: an object with address, '],
    ['consul: one problem', create({ consul: 'http://x' }), "such as { address: 'http://127.0.0.1:8500' }"],
    ['consul: a list', create({ consul: ['http://x'] }), 'consul: a list (expected: an object with'],
    ['with', (one) => one.with('canary' as never, () => {}), 'with: a string (expected: an object with'],
    ['target', (one) => one.target('payments', 'dc1' as never), 'target: a string (expected: an object with'],
    ['explain', (one) => one.explain('payments', METHOD as never), 'explain: a string (expected: an object with'],
    ['clientOptions', (one) => one.clientOptions('x' as never), 'options: a string (expected: an object of channel'],
    ['registerInstance', () => registerInstance('payments' as never), 'instance: a string (expected: an object with'],
  ])('%s', (_, run, message) => {
    expect(told(run)).toContain(message);
  });
});

describe('a value that cannot mean anything is refused', () => {
  it.each<[string, (graylane: ReturnType<typeof createGraylane>) => unknown, string]>([
    ['with.retry', (one) => one.with({ retry: true } as never, () => {}), 'with.retry: true (expected: false, or left'],
    [
      'with.stickyKey',
      (one) => one.with({ stickyKey: 7 } as never, () => {}),
      'with.stickyKey: 7 (expected: a string)',
    ],
    [
      'with.observe',
      (one) => one.with({ observe: 'x' } as never, () => {}),
      'with.observe: "x" (expected: a function)',
    ],
    [
      'with.deadline',
      (one) => one.with({ deadline: 'mine' } as never, () => {}),
      'with.deadline: "mine" (expected: \'own\'',
    ],
    ['on', (one) => one.on('decisions' as never, () => {}), "on: decisions (expected: 'decision')"],
    ['on.listener', (one) => one.on('decision', 'x' as never), 'on.listener: a string (expected: a function)'],
  ])('%s', (_, run, message) => {
    expect(told(run)).toContain(message);
  });
});

it('what grpc-js itself would take is taken', () => {
  expect(told((one) => one.clientOptions({ 'grpc.keepalive_time_ms': 1_000, interceptors: [] }))).toBe('taken');
  expect(told((one) => one.channel('payments', grpc.credentials.createInsecure()).close())).toBe('taken');
});
