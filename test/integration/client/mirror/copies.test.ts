import { AsyncLocalStorage } from 'node:async_hooks';
import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { CALL_KINDS, type CallKind, run } from '../../../support/call-kinds';
import { createAuthority } from '../../../support/certificates';
import { spreadOfCount } from '../../../support/chance';
import { closeAfterEach, pause } from '../../../support/closers';
import { startHop } from '../../../support/hop';
import { CHARGE, charge, paymentsClient } from '../../../support/payments';
import { mirrorWorld } from './mirror-world';

const opened = closeAfterEach();
const KEY = 'x-graylane-mirror';

/** Time for what must not come. A copy that is made comes within a turn or two. */
const SOON_MS = 150;

it('goes to the mirror for each call, and the caller gets the answer of its own', async () => {
  const { client, canary, stable, view, metering } = await mirrorWorld(opened);
  for (let call = 0; call < 20; call += 1) {
    expect(await charge(client, { 'x-gray': `g-${call}` })).toMatchObject({ servedBy: 'stable', gray: `g-${call}` });
  }
  await expect.poll(() => view()?.copies).toBe(20);
  expect([canary.calls, stable.calls]).toEqual([20, 20]);
  expect(canary.lastMetadata()?.getMap()).toMatchObject({ 'x-gray': 'g-19', [KEY]: 'everyone' });
  expect(stable.lastMetadata()?.get(KEY)).toEqual([]);
  const collected = await metering.collect();
  const labels = { 'graylane.route': 'everyone', 'graylane.subset': 'canary', 'rpc.status_code': 'OK' };
  expect(collected.sum('graylane.mirror.copies', labels)).toBe(20);
  expect(collected.sum('graylane.mirror.duration', labels)).toBe(20);
});

const OF_KINDS: Readonly<Record<CallKind, { readonly calls: number; readonly messages: number }>> = {
  charge: { calls: 1, messages: 0 },
  upload: { calls: 1, messages: 3 },
  watch: { calls: 0, messages: 0 },
  converse: { calls: 0, messages: 0 },
};

describe.each(Object.keys(CALL_KINDS) as CallKind[])('of a call of the kind %s', (kind) => {
  const { calls, messages } = OF_KINDS[kind];

  it(calls === 0 ? 'is not made, which is told once' : 'has all that the call sent', async () => {
    const { client, canary, logged, graylane } = await mirrorWorld(opened);
    const path = `/shop.v1.Payments/${kind[0]?.toUpperCase()}${kind.slice(1)}`;
    expect([await run(client, kind), await run(client, kind)]).toEqual([0, 0]);
    if (calls === 0) await pause(SOON_MS);
    await expect.poll(() => [canary.calls, canary.messages]).toEqual([2 * calls, 2 * messages]);
    const told = logged.filter((line) => line.startsWith('calls are not mirrored'));
    expect(told).toHaveLength(calls === 0 ? 1 : 0);
    const { mirror } = graylane.explain('payments', { method: path }).routing.decision;
    expect(mirror).toMatchObject({ to: 'canary', percent: 100 });
    expect(mirror?.skipped).toBe(calls === 0 ? 'the answers of the method are a stream' : undefined);
  });
});

it('is made of so many calls as the policy says', async () => {
  const { client, canary } = await mirrorWorld(opened, { percent: 25 });
  for (let made = 0; made < 400; made += 20) await Promise.all(Array.from({ length: 20 }, () => charge(client)));
  await pause(SOON_MS);
  expect(Math.abs(canary.calls - 100)).toBeLessThan(spreadOfCount(400, 100));
});

const NOT_COPIED: Readonly<
  Record<string, { readonly policy?: object; readonly route?: object; readonly scope?: object }>
> = {
  'that an override sends elsewhere': { policy: { override: { to: 'stable', until: '2099-01-01T00:00:00Z' } } },
  'that its caller forces': { scope: { force: { subset: 'stable' } } },
  'of the share that the mirror has anyway': {
    route: {
      to: undefined,
      split: [
        { to: 'canary', weight: 1 },
        { to: 'stable', weight: 0 },
      ],
    },
  },
  'at 0 percent': { route: { mirror: { to: 'canary', percent: 0 } } },
};

it.each(Object.entries(NOT_COPIED))('is not made of a call %s', async (_, { policy, route, scope }) => {
  const { graylane, client, canary, stable } = await mirrorWorld(
    opened,
    {},
    { ...(policy && { policy }), ...(route && { route }) },
  );
  await graylane.with(scope ?? {}, () => charge(client));
  await pause(SOON_MS);
  expect(canary.calls + stable.calls).toBe(1);
});

it('is made of calls that began before anything was known', async () => {
  const { client, canary } = await mirrorWorld(opened, {}, { isReady: false });
  const codes = await Promise.all([run(client, 'charge'), run(client, 'upload'), run(client, 'charge')]);
  expect(codes).toEqual([0, 0, 0]);
  await expect.poll(() => [canary.calls, canary.messages]).toEqual([3, 3]);
});

it('is sent while its call goes on, where that takes long', async () => {
  const { client, canary, stable } = await mirrorWorld(opened);
  stable.behave({ delayMs: 60_000 });
  let isOver = false;
  const ended = (): void => {
    isOver = true;
  };
  charge(client, {}, { deadline: Date.now() + 50_000 }).then(ended, ended);
  await expect.poll(() => canary.calls).toBe(1);
  expect(isOver).toBe(false);
});

it('is not mirrored again by those who serve it', async () => {
  const below = await mirrorWorld(opened);
  const hop = opened(await startHop({ graylane: below.graylane, next: below.client, accept: { accept: [] } }), (one) =>
    one.stop(),
  );
  const above = await mirrorWorld(opened, {}, { canaryPort: hop.port });
  await charge(above.client);
  await expect.poll(() => below.stable.calls).toBe(1);
  await pause(SOON_MS);
  expect([below.stable.calls, below.canary.calls]).toEqual([1, 0]);
  await charge(below.client);
  await expect.poll(() => below.canary.calls).toBe(1);
});

it('is not made by grpc-js own channel, which is told once', async () => {
  const { graylane, canary, logged } = await mirrorWorld(opened);
  graylane.register();
  const bare = opened(paymentsClient(graylane.target('payments')), (one) => one.close());
  await charge(bare);
  await charge(bare);
  await pause(SOON_MS);
  expect(canary.calls).toBe(0);
  expect(logged.filter((line) => line.includes('clientOptions()'))).toHaveLength(1);
});

describe('goes on', () => {
  it('when its call was cancelled, once the request is whole', async () => {
    const { client, canary, stable, view } = await mirrorWorld(opened);
    for (const server of [canary, stable]) server.behave({ delayMs: 300 });
    const metadata = new grpc.Metadata();
    const code = await new Promise((resolve) => {
      const call = client.charge({ order: 'o-1' }, metadata, (error) => resolve(error?.code));
      setTimeout(() => call.cancel(), 100);
    });
    expect(code).toBe(grpc.status.CANCELLED);
    await expect.poll(() => view()).toMatchObject({ copies: 1, failed: 0 });
  });

  it.each([
    ['until the deadline of its call', {}, 2_000, {}],
    ['no longer than timeoutMs', { timeoutMs: 400 }, 60_000, {}],
    ['no longer than the timeoutMs of the route', { timeoutMs: 50_000 }, 60_000, { timeoutMs: 3_000 }],
  ])('%s', async (_, mirror, deadlineMs, route) => {
    const { client, canary, view } = await mirrorWorld(opened, mirror, { route });
    canary.behave({ delayMs: 60_000 });
    await charge(client, {}, { deadline: Date.now() + deadlineMs });
    await expect.poll(() => view()).toMatchObject({ copies: 1, failed: 1 });
    expect(view()?.meanMs).toBeLessThan(8_000);
  });
});

it('ends with an upload that its caller gives up', async () => {
  const { client, canary, view } = await mirrorWorld(opened);
  const code = await new Promise((resolve) => {
    const call = client.upload(new grpc.Metadata(), (error) => resolve(error?.code));
    call.write({ order: 'o-1' });
    void expect
      .poll(() => canary.messages)
      .toBe(1)
      .then(() => call.cancel());
  });
  expect(code).toBe(grpc.status.CANCELLED);
  await expect.poll(() => view()?.dropped).toMatchObject({ unfinished: 1 });
});

it('has credentials that are made anew, in the context of its caller', async () => {
  const authority = createAuthority();
  const pair = authority.issue({ names: ['localhost', '127.0.0.1', 'payments'] });
  const key = { cert_chain: Buffer.from(pair.cert), private_key: Buffer.from(pair.key) };
  const user = new AsyncLocalStorage<string>();
  let asked = 0;
  const token = grpc.credentials.createFromMetadataGenerator((_, done) => {
    asked += 1;
    const metadata = new grpc.Metadata();
    metadata.set('x-tag', `${user.getStore()} ${asked}`);
    done(null, metadata);
  });
  const { client, canary } = await mirrorWorld(
    opened,
    {},
    {
      serverCredentials: grpc.ServerCredentials.createSsl(null, [key]),
      credentials: grpc.credentials.createSsl(Buffer.from(authority.ca)),
    },
  );
  const metadata = new grpc.Metadata();
  metadata.set('authorization', 'Bearer of-the-caller');
  const call = (credentials: grpc.CallCredentials | undefined) =>
    charge(client, metadata, credentials === undefined ? {} : { credentials });
  const [reply] = await Promise.all([user.run('ann', () => call(token)), user.run('bob', () => call(undefined))]);
  expect(reply.tag).toBe('ann 1');
  await expect.poll(() => canary.calls).toBe(2);
  expect(asked).toBe(2);
  await user.run('cid', () => call(token));
  await expect.poll(() => canary.calls).toBe(3);
  expect(canary.lastMetadata()?.getMap()).toMatchObject({ authorization: 'Bearer of-the-caller', 'x-tag': 'cid 4' });
});

it('ends when the Graylane client is closed, which does not wait for it', async () => {
  const { graylane, client, canary, view } = await mirrorWorld(opened);
  canary.behave({ delayMs: 60_000 });
  await charge(client);
  await expect.poll(() => canary.calls).toBe(1);
  const began = performance.now();
  await graylane.close();
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(view()?.dropped).toMatchObject({ closed: 1 });
  await expect.poll(() => canary.sessions.open).toBe(0);
});

it('is told by explain with what is compared', async () => {
  const { graylane } = await mirrorWorld(opened, { compare: true, percent: 12.5 });
  const { mirror } = graylane.explain('payments', { method: CHARGE }).routing.decision;
  expect(mirror).toEqual({
    to: 'canary',
    percent: 12.5,
    compare: 'by field; what differs by itself is not known, since the call may run once only',
  });
});
