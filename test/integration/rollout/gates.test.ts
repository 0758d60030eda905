import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_CONFIG } from '../../../src/ops/rollout/config/controller-config';
import { controlRollout, type RolloutCommand } from '../../../src/ops/rollout/control';
import type { RolloutDocument } from '../../../src/ops/rollout/document';
import { createGateKeeper, type GateQuestion } from '../../../src/ops/rollout/gates/ask-gate';
import type { RolloutContext } from '../../../src/ops/rollout/reconcile';
import { printFact } from '../../support/figure';
import { diesIn, dyingClient } from './fixtures/dying-client';
import { drive, rolloutWorld } from './rollout-world';

const world = rolloutWorld();

let server: Server;
const asked: GateQuestion[] = [];
/** What the gate of this name answers next; open when there is nothing left. */
const answers = new Map<string, { status: number; body?: string }[]>();

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const question = JSON.parse(body) as GateQuestion;
    asked.push(question);
    const { status, body: said } = answers.get(`${question.service} ${question.gate}`)?.shift() ?? { status: 200 };
    response.writeHead(status).end(said);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** A controller whose gates are those of the server, and whose time passes quickly enough for a closed one. */
function deps(settings: Parameters<typeof world.deps>[0] = {}): RolloutContext {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const names = ['board', 'load', 'ledger', 'incidents'];
  const gates = new Map(names.map((name) => [name, { webhook: { url } }] as const));
  const keeper = createGateKeeper({ config: { ...NO_CONFIG, gates }, env: {} });
  return world.deps({ tickMs: 2_000, askGate: keeper.ask, ...settings });
}

function control(service: string, command: RolloutCommand, reason?: string) {
  const { policies, rollouts } = world;
  const context = { policies, rollouts, by: 'alice', now: Date.now, ...(reason === undefined ? {} : { reason }) };
  return controlRollout(service, command, context);
}

const GATED: Partial<RolloutDocument> = {
  steps: [{ setWeight: 5 }, { gate: 'load' }, { setWeight: 50 }],
  gates: [
    { gate: 'board', when: 'before-step' },
    { gate: 'ledger', when: 'before-promotion' },
    { gate: 'incidents', when: 'at-rollback' },
  ],
  onSuccess: 'promote',
};

describe('gates of a rollout', { timeout: 60_000 }, () => {
  it('are asked in order, each with the same id until it opens, and what they say is in the history', async () => {
    answers.set('gated board', [
      { status: 403, body: '{"message":"meets at 3"}' },
      { status: 503 },
      { status: 200, body: '{"message":"CHG-1"}' },
    ]);
    await world.begin('gated', GATED);
    const { id } = await world.session();
    await drive('gated', id, deps());
    const own = asked.filter(({ service }) => service === 'gated');
    const { progress, transitions } = await world.record('gated');
    expect(own.map(({ id: each }) => each.replace(progress.id, 'r'))).toEqual([
      ...['r/1/board', 'r/1/board', 'r/1/board', 'r/2/load', 'r/3/board', 'r/end/ledger'],
    ]);
    expect(own[3]).toMatchObject({
      gate: 'load',
      when: 'step',
      step: 2,
      canary: 'canary',
      stable: 'stable',
      weight: 5,
    });
    expect(await world.written('gated')).toEqual([5, 50, 0]);
    const said = transitions
      .filter(({ event }) => event === 'gate' || event === 'waiting')
      .map(({ message }) => message);
    expect(said).toEqual([
      'gate board is closed: meets at 3',
      'gate board does not answer: HTTP 503 (expected: 2xx)',
      'board opened: CHG-1',
      'load opened',
      'board opened',
      'ledger opened',
    ]);
  });

  it('that refuse take the canary back in one write, and those at the rollback are told', async () => {
    answers.set('refused load', [{ status: 200, body: '{"state":"refused","message":"p99 820 ms"}' }]);
    await world.begin('refused', GATED);
    const { id } = await world.session();
    await drive('refused', id, deps());
    expect(await world.written('refused')).toEqual([5, 0]);
    const { progress, transitions } = await world.record('refused');
    expect(progress.state).toMatchObject({ kind: 'aborted', why: 'gate', message: 'gate load refused: p99 820 ms' });
    expect(asked.at(-1)).toMatchObject({
      gate: 'incidents',
      when: 'at-rollback',
      weight: 0,
      message: 'gate load refused: p99 820 ms',
    });
    expect(transitions.at(-1)).toMatchObject({ event: 'gate', message: 'told incidents, open' });
    const { history } = await world.policy('refused');
    expect(history.at(-1)?.entry?.message).toBe('rolled back, canary to 0 %: gate load refused: p99 820 ms');
  });

  it('survive controllers that die at any write: no step twice, none left out, no gate skipped', async () => {
    let deaths = 0;
    for (let nth = 1, died = true; died; nth += 1) {
      for (const when of ['before', 'after'] as const) {
        const service = `dies-${when}-${nth}`;
        await world.begin(service, GATED);
        const first = await world.session();
        died = await diesIn(drive(service, first.id, deps({ client: dyingClient(world.client, nth, when) })));
        if (died) deaths += 1;
        const second = await world.session();
        await first.end();
        expect((await drive(service, second.id, deps())).kind).toBe('ended');
        expect(await world.written(service)).toEqual([5, 50, 0]);
        const { transitions } = await world.record(service);
        expect(transitions.filter(({ event }) => event === 'gate').map(({ message }) => message)).toEqual([
          ...['board opened', 'load opened', 'board opened', 'ledger opened'],
        ]);
      }
    }
    printFact('controllers that died at a write of a rollout with gates', `${deaths}, no step twice`);
    expect(deaths).toBeGreaterThan(15);
  });
});

describe('an approval', () => {
  it('is given by approve alone, and who gave it, when and on what is in the history', async () => {
    await world.begin('approved', { steps: [{ setWeight: 5 }, { approval: { note: 'totals' } }, { setWeight: 50 }] });
    const { id } = await world.session();
    await drive('approved', id, deps(), ({ kind }) => kind === 'idle');
    expect((await world.record('approved')).progress.state).toMatchObject({
      kind: 'paused',
      why: 'approval',
      message: 'until approved: totals',
    });
    expect(await control('approved', 'resume')).toEqual({
      kind: 'refused',
      reason: 'the rollout of approved waits for an approval',
      nextStep: 'run graylane rollout approve approved -m TEXT',
    });
    expect(await control('approved', 'approve', 'CHG-4711')).toMatchObject({ kind: 'done' });
    expect(await control('approved', 'approve', 'again')).toMatchObject({ kind: 'refused' });
    await drive('approved', id, deps());
    const { transitions } = await world.record('approved');
    const approved = transitions.find(({ event }) => event === 'approve');
    expect(approved).toMatchObject({ by: 'alice', message: 'CHG-4711', step: 1, weight: 5 });
    expect(Date.parse(approved?.at ?? '')).toBeGreaterThan(Date.now() - 60_000);
    expect(await world.written('approved')).toEqual([5, 50, 100]);
  });
});

describe('a schedule', () => {
  const hourFromNow = new Date(Date.now() + 3_600_000).toISOString();
  const freeze = [{ from: '2020-01-01T00:00:00Z', until: hourFromNow, reason: 'year end' }];

  it('holds a step that has waited for instances, is passed by promote, and never holds an abort', async () => {
    const steps = [{ setWeight: 5 }, { setWeight: 50 }];
    await world.begin('frozen', { steps, schedule: { freeze } });
    const { id } = await world.session();
    const isIdle = ({ kind }: { readonly kind: string }): boolean => kind === 'idle';
    await drive('frozen', id, world.deps(), isIdle);
    expect((await world.record('frozen')).progress.waitingFor).toBe(`a freeze until ${hourFromNow} (year end)`);
    await control('frozen', 'promote');
    await drive('frozen', id, world.deps(), isIdle);
    expect(await world.written('frozen')).toEqual([5]);
    await control('frozen', 'abort');
    expect((await drive('frozen', id, world.deps())).kind).toBe('ended');
    expect(await world.written('frozen')).toEqual([5, 0]);
  });

  it('opens by itself', async () => {
    const soon = new Date(Date.now() + 10_000).toISOString();
    await world.begin('thaws', {
      steps: [{ setWeight: 5 }],
      schedule: { freeze: [{ from: '2020-01-01T00:00:00Z', until: soon }] },
    });
    const { id } = await world.session();
    await drive('thaws', id, world.deps({ tickMs: 200 }));
    expect(await world.written('thaws')).toEqual([5, 100]);
  });
});
