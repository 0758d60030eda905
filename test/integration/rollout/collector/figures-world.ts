import { status } from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../../../src/base/clock';
import { systemRandom } from '../../../../src/base/random';
import { type CallReport, createGraylane, type Graylane } from '../../../../src/index';
import { measureRollout } from '../../../../src/ops/rollout/analysis/measure-rollout';
import type { MeasureCalls } from '../../../../src/ops/rollout/analysis/subset-metrics';
import { type Collecting, openReportPort } from '../../../../src/ops/rollout/collector/collecting';
import { NO_CONFIG } from '../../../../src/ops/rollout/config/controller-config';
import { type ControllerOptions, type ControllerWatch, runRollout } from '../../../../src/ops/rollout/controller';
import type { RolloutDocument } from '../../../../src/ops/rollout/document';
import type { Lease } from '../../../../src/ops/rollout/lease';
import type { RolloutRecord } from '../../../../src/ops/rollout/record';
import { watchRollout } from '../../../../src/ops/rollout/store';
import { type PaymentsServer, paymentsClient, startPaymentsServer } from '../../../support/payments';
import type { RolloutWorld } from '../rollout-world';

/** A stable and a canary server, registered under this name in this datacenter until the test has ended. */
export async function serve(
  world: Pick<RolloutWorld, 'consul'>,
  service: string,
  datacenter = 'dc1',
): Promise<Record<'stable' | 'canary', PaymentsServer>> {
  const agent = world.consul.dc(datacenter);
  const start = async (version: 'stable' | 'canary'): Promise<PaymentsServer> => {
    const server = await startPaymentsServer({ name: version, version });
    const id = `${service}-${version}`;
    onTestFinished(async () => {
      server.kill();
      await agent.deregister(id);
    });
    await agent.register({ name: service, id, address: server.host, port: server.port, tags: [version] });
    return server;
  };
  const [stable, canary] = await Promise.all([start('stable'), start('canary')]);
  return { stable, canary };
}

export interface Controller {
  /** Where it listens. */
  readonly address: string;
  readonly collecting: Collecting;
  /** The rollout's last record. */
  readonly ended: Promise<RolloutRecord | undefined>;
  /** Its session ends and its port closes, as when the process has gone. */
  die(): Promise<void>;
}

/** `graylane rollout run --listen 127.0.0.1:0 --once SERVICE`, in this process. */
export async function startController(world: RolloutWorld, service: string): Promise<Controller> {
  const session = await world.session();
  const lease: Lease = {
    session: session.id,
    problem: undefined,
    tried: Promise.resolve(),
    check() {},
    close: async () => {},
  };
  const port = await openReportPort({ host: '127.0.0.1', port: 0 });
  const { address } = port;
  const collecting = port.collect({ client: world.client, lease });
  const end = new AbortController();
  const deps = world.deps({
    name: address,
    measure: (progress, wanted) => {
      const clients: MeasureCalls = (request) => collecting.measure(progress, request);
      return measureRollout(
        progress.document,
        { ...wanted, signal: end.signal },
        { config: NO_CONFIG, env: {}, clients },
      );
    },
  });
  const silent: ControllerWatch = { onRecord() {}, onRole() {}, onProblem() {} };
  const options = { deps, lease, watch: collecting.watch(silent), listen: changesIn(world), signal: end.signal };
  const ended = runRollout(service, options, true);
  let isDead = false;
  const die = async (): Promise<void> => {
    if (isDead) return;
    isDead = true;
    end.abort();
    await collecting.close();
    await port.close();
    await session.end();
    await ended;
  };
  onTestFinished(die);
  return { address, collecting, ended, die };
}

function changesIn({ client }: RolloutWorld): ControllerOptions['listen'] {
  return (service, onChange) => watchRollout(service, onChange, { client, clock: systemClock, random: systemRandom });
}

/** An analysis that measures once a second and needs few calls. */
export function quickly(change: RolloutDocument['analysis'] = {}): NonNullable<RolloutDocument['analysis']> {
  return {
    ...{ intervalMs: 1000, count: 2, minimumCalls: 50, acceptance: 'unrefuted', background: false },
    checks: [{ check: 'request-success-rate' }, { check: 'breaker-open' }],
    ...change,
  };
}

export interface Caller {
  readonly graylane: Graylane;
  /** Attempts that ended, and those of them that failed, by the subset that had them. */
  readonly counted: Readonly<Record<'stable' | 'canary', { calls: number; failures: number }>>;
  /** So many calls, one after the other; resolves when the last has come back. */
  run(calls: number): Promise<void>;
}

/** A client in this process, with so many calls a second until the test has ended; without retries. */
export async function startCaller(
  world: Pick<RolloutWorld, 'consul'>,
  service: string,
  { perSecond = 200, reportRolloutMetrics = true, address = world.consul.dc('dc1').address } = {},
): Promise<Caller> {
  const graylane = createGraylane({
    consul: { address },
    stateDirectory: false,
    ...(reportRolloutMetrics ? { reportRolloutMetrics } : {}),
  });
  const client = paymentsClient(graylane.target(service), graylane.clientOptions());
  onTestFinished(async () => {
    client.close();
    await graylane.close();
  });
  await graylane.ready(service, { timeoutMs: 5000 });
  const counted = { stable: { calls: 0, failures: 0 }, canary: { calls: 0, failures: 0 } };
  const observe = ({ attempts }: CallReport): void => {
    for (const { subset, code } of attempts) {
      const counts = counted[subset === 'canary' ? 'canary' : 'stable'];
      counts.calls += 1;
      if (code !== status.OK) counts.failures += 1;
    }
  };
  const call = (): Promise<void> =>
    new Promise((resolve) => {
      graylane.with({ retry: false, observe }, () => client.charge({ order: 'o' }, () => resolve()));
    });
  const timer = setInterval(() => {
    for (let at = 0; at < perSecond / 50; at += 1) void call();
  }, 20);
  onTestFinished(() => clearInterval(timer));
  return {
    graylane,
    counted,
    async run(calls) {
      for (let at = 0; at < calls; at += 1) await call();
    },
  };
}
