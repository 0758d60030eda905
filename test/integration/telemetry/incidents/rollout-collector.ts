import { systemClock } from '../../../../src/base/clock';
import { createConsulClient } from '../../../../src/consul/client';
import { parseConsulOptions } from '../../../../src/consul/options';
import { startRollout } from '../../../../src/ops/rollout/advance';
import { openReportPort } from '../../../../src/ops/rollout/collector/collecting';
import type { RolloutState } from '../../../../src/ops/rollout/progress';
import { newStamp, nextRecord, type RolloutRecord } from '../../../../src/ops/rollout/record';
import type { ConsulCluster } from '../../../support/consul/start';

/** A controller's port, of which Prometheus scrapes how the rollout of `service` stands: it runs, then is taken back. */
export async function startCollector(
  consul: ConsulCluster,
  service: string,
): Promise<{ metrics(): Promise<string>; takeBack(): void; close(): Promise<void> }> {
  const client = createConsulClient(parseConsulOptions({ address: consul.dc('dc1').address }, {}), {
    clock: systemClock,
  });
  const lease = { session: undefined };
  const port = await openReportPort({ host: '127.0.0.1', port: 0 });
  const collecting = port.collect({ client, lease });
  const watch = collecting.watch({ onRecord() {}, onRole() {}, onProblem() {} });
  const document = { schema: 1, service, canary: 'canary', stable: 'stable', steps: [{ pause: {} }] } as const;
  const running = startRollout({ id: 'r1', document, weight: 20 }, Date.now());
  const record: RolloutRecord = {
    format: 1,
    service,
    number: 1,
    stamp: newStamp(),
    startedBy: 'tester',
    progress: running,
    policy: { digest: '', number: 0 },
    transitions: [],
    past: [],
  };
  const hear = (state: RolloutState): void =>
    watch.onRecord(
      service,
      nextRecord(record, { progress: { ...running, state, pending: [] } }, { by: 'tester', at: '' }),
    );
  watch.onRole(service, 'leader', 'here');
  hear({ kind: 'running' });
  return {
    metrics: async () => (await fetch(`${port.address}/metrics`)).text(),
    takeBack: () => hear({ kind: 'aborted', why: 'analysis', message: 'worse than stable', atMs: Date.now() }),
    async close() {
      await collecting.close();
      await port.close();
      client.close();
    },
  };
}
