import { setTimeout as sleep } from 'node:timers/promises';
import { serveFigures } from '../shared/attempt-figures';
import { runGraylane } from '../shared/graylane-command';
import type { Stage, Step, StepFinding } from './steps';
import type { CallRecord } from './traffic';

/** One call in so many: every retry saves the call, and the figures show it all the same. */
const FAILING_EVERY = 5;
const RAISED_TO = 30;

/** Needs Consul: what a rollout writes, and how far it is, stands there. */
export const ROLLOUT_STEP: Step = {
  name: 'rollout',
  title: 'a rollout raises the canary, and takes it back when it fails 1 call in 5',
  run: runRollout,
};

/** Ten percent, thirty, and so on; a measurement every half second, where half a minute is usual. */
const DOCUMENT: object = {
  schema: 1,
  service: 'payments',
  canary: 'canary',
  stable: 'stable',
  steps: [
    { setWeight: 10 },
    { analysis: { count: 2, acceptance: 'unrefuted' } },
    { setWeight: RAISED_TO },
    { analysis: { count: 4 } },
    { setWeight: 100 },
  ],
  analysis: {
    ...{ intervalMs: 500, minimumCalls: 10, inconclusiveLimit: 100 },
    checks: [{ check: 'request-success-rate', threshold: 1 }],
    provider: 'figures',
  },
};

/** What the controller may reach: the rollout names it and says nothing else of it. */
function controllerOf(figuresUrl: string): object {
  return { schema: 1, providers: { figures: { webhook: { url: figuresUrl } } } };
}

async function runRollout(stage: Stage): Promise<StepFinding> {
  const { world, fleet, traffic } = stage;
  const { consul = '' } = world;
  const canaries = fleet.instances.filter(({ version }) => version === 'canary');
  // Calls of testers have no fallback.
  traffic.setTesting(false);
  await sleep(200);
  await world.writePolicy(0);
  stage.weightPercent = 0;
  const figures = await serveFigures(
    () => traffic.records.flatMap(asEnded),
    () => 0,
  );
  let failingSinceMs = Number.NaN;
  let backAtMs = Number.NaN;
  const weights: number[] = [];
  const onLine = (line: string): void => {
    const { event, weight } = JSON.parse(line) as { readonly event: string; readonly weight: number };
    if (event !== 'setWeight' && event !== 'rollback') return;
    weights.push(weight);
    stage.weightPercent = weight;
    if (event === 'rollback') backAtMs = performance.now();
    if (weight !== RAISED_TO) return;
    failingSinceMs = performance.now();
    for (const { id } of canaries) fleet.setFailing(id, FAILING_EVERY);
  };
  try {
    const input = JSON.stringify(DOCUMENT);
    const started = await runGraylane(['rollout', 'start', 'payments', '--file', '-'], { consul, input });
    if (started.code !== 0) throw new Error(`graylane rollout start: ${started.notes}`);
    const { code } = await runGraylane(['rollout', 'run', '--once', 'payments', '--json', '--config', '-'], {
      consul,
      input: JSON.stringify(controllerOf(figures.url)),
      onLine,
    });
    const { author, reason } = await lastChange(consul);
    // Time enough to see that nobody is sent there any more.
    await sleep(1_200);
    const late = traffic.since(backAtMs + 500).filter((record) => record.reply?.version === 'canary').length;
    stage.takenBack = { author, reason, weights };
    const [, said = reason] = /(?:canary )(failed .*?)(?:, stable|$)/.exec(reason) ?? [];
    return {
      holds: code === 3 && late === 0 && author.startsWith('rollout/') && reason.startsWith('rolled back'),
      detail: `${weights.join(' -> ')} %: ${said}`,
      settleMs: backAtMs - failingSinceMs,
    };
  } finally {
    for (const { id } of canaries) fleet.setFailing(id, 0);
    figures.close();
  }
}

function asEnded({
  endedAtMs,
  report,
}: CallRecord): readonly { endedAtMs: number; report: NonNullable<typeof report> }[] {
  return report === undefined ? [] : [{ endedAtMs: performance.timeOrigin + endedAtMs, report }];
}

/** The newest line of the policy's history: who wrote what stands there now, and why. */
async function lastChange(consul: string): Promise<{ readonly author: string; readonly reason: string }> {
  const { lines } = await runGraylane(['policy', 'log', 'payments', '--limit', '1', '--json'], { consul });
  const [log] = JSON.parse(lines.join('\n')) as [{ readonly entries: readonly { author: string; message: string }[] }];
  const { author = '', message = '' } = log.entries[0] ?? {};
  return { author, reason: message };
}
