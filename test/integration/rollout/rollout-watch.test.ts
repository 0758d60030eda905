import { expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { watchRollout } from '../../../src/ops/rollout/store';
import { closeAfterEach } from '../../support/closers';
import { reply, type ScriptedAnswer, startScriptedConsul } from '../../support/scripted-consul';
import { clientOf } from './rollout-world';

const closing = closeAfterEach();

it('tells of each new index, of none twice, and of whatever may have been missed', async () => {
  const scripted = closing(await startScriptedConsul(), (one) => one.stop());
  const client = closing(clientOf(scripted.address), (one) => one.close());
  const keys = ['graylane/rollouts/payments', 'graylane/rollouts/payments/lock'];
  const script: readonly (ScriptedAnswer & { readonly changes: number; readonly isListening: boolean })[] = [
    { index: '7', body: keys, changes: 1, isListening: true },
    { index: '7', body: keys, changes: 1, isListening: true },
    { index: '9', body: keys, changes: 2, isListening: true },
    { status: 500, body: 'No cluster leader', changes: 2, isListening: false },
    { index: '9', body: keys, changes: 3, isListening: true },
    { body: keys, changes: 4, isListening: false },
    { index: '4', body: keys, changes: 5, isListening: true },
  ];
  let changes = 0;
  const seen: unknown[] = [];
  let at = 0;
  scripted.answer((_, response) => {
    // What the answer before has led to.
    if (at > 0) seen.push({ changes, isListening: watch.isListening });
    const answer = script[at];
    at += 1;
    if (answer !== undefined) reply(response, answer);
  });
  const watch = closing(
    watchRollout(
      'payments',
      () => {
        changes += 1;
      },
      { client, clock: systemClock, random: () => 0 },
    ),
    (one) => one.close(),
  );
  await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(script.length);
  expect(seen).toEqual(script.map(({ changes: told, isListening }) => ({ changes: told, isListening })));
  const { requests } = scripted;
  expect(
    requests.every(({ path, query }) => path.endsWith('/graylane%2Frollouts%2Fpayments') && query.has('keys')),
  ).toBe(true);
  expect(requests.map(({ query }) => query.get('index'))).toEqual([null, '7', '7', '9', null, '9', null, '4']);
});
