import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runScript } from '../../support/run-script';

interface Printed {
  readonly name: string;
  readonly scope: string;
  readonly kind: number;
  readonly id: string;
  readonly parent: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
}

const CLIENT = 2;

it("OpenTelemetry's gRPC instrumentation: its span is the call's, with our attributes; no second one", async () => {
  const { code, stdout, stderr } = await runScript(join(__dirname, 'fixtures', 'instrumented.ts'));
  expect([code, stderr]).toEqual([0, '']);
  const spans = JSON.parse(stdout) as readonly Printed[];
  const calls = spans.filter(({ kind, name }) => kind === CLIENT && !name.startsWith('Attempt.'));
  expect(calls.map(({ name, scope }) => [name, scope])).toEqual(
    ['Charge', 'Charge', 'Watch', 'Upload', 'Converse', 'Charge'].map((method) => [
      `grpc.shop.v1.Payments/${method}`,
      '@opentelemetry/instrumentation-grpc',
    ]),
  );
  const attempts = spans.filter(({ name }) => name.startsWith('Attempt.'));
  expect(attempts.map(({ parent }) => parent)).toEqual(calls.map(({ id }) => id));
  expect(attempts.map(({ scope }) => scope)).toEqual(attempts.map(() => 'graylane'));
  for (const { attributes } of calls) {
    expect(attributes).toMatchObject({
      'graylane.route': 'default',
      'graylane.served_by': '*',
      'graylane.attempts': 1,
    });
  }
  expect(calls.map(({ attributes }) => attributes['rpc.status_code'])).toEqual([
    'OK',
    'OK',
    'OK',
    'OK',
    'OK',
    'NOT_FOUND',
  ]);
});
