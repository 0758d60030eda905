// `npm run demo`: a canary takes its share, instances die, a datacenter goes and comes back, a rollout raises the canary and
// takes it back; and no call is lost. `npm run demo -- --stay` goes on until Ctrl-C, for its page to be looked at.
import { setTimeout as sleep } from 'node:timers/promises';
import { type StepView, takeFigures } from './figures';
import { type Fleet, startFleet } from './fleet';
import { servePage } from './page';
import { ROLLOUT_STEP } from './rollout-step';
import { createScreen, type Screen } from './screen';
import { STEPS, type Stage } from './steps';
import { startTraffic } from './traffic';
import { createWorld, DATACENTERS, type World } from './world';

const FIRST_WEIGHT_PERCENT = 5;
const FRAME_MS = 100;

const asJson = process.argv.includes('--json');
const isStaying = process.argv.includes('--stay');
let heading = '';
const screen: Screen = createScreen(asJson ? process.stderr : process.stdout, () => heading);
const closers: (() => unknown)[] = [];

async function main(): Promise<boolean> {
  screen.say(`Starting ${DATACENTERS.length * 5} payments servers in ${DATACENTERS.join(' and ')}, and Consul.`);
  const fleet: Fleet = await startFleet(DATACENTERS);
  closers.push(() => fleet.stop());
  const world: World = await createWorld(fleet, (reason) =>
    screen.say(`No Consul here, so the embedded static source stands in for it: ${reason}`),
  );
  closers.push(() => world.close());
  heading = world.source === 'consul' ? 'two Consul datacenters, live traffic' : 'embedded static source, live traffic';

  await world.writePolicy(FIRST_WEIGHT_PERCENT);
  await Promise.all(fleet.instances.map((instance) => world.announce(instance)));
  await world.graylane.ready('payments');
  const traffic = startTraffic(world.graylane);
  closers.push(() => traffic.stop());
  const page = await servePage(world.graylane);
  closers.push(() => page.close());
  screen.say(`source: ${world.source}`);
  screen.say(`page:   ${page.url}\n`);

  const stage: Stage = { world, fleet, traffic, weightPercent: FIRST_WEIGHT_PERCENT, splits: [], takenBack: undefined };
  const wanted = world.source === 'consul' ? [...STEPS, ROLLOUT_STEP] : STEPS;
  const views: StepView[] = wanted.map((step) => ({ step, state: 'waiting', finding: undefined, lost: 0 }));
  const startedAtMs = performance.now();
  const show = (): void => screen.show(takeFigures(stage, views, startedAtMs));
  const frames = setInterval(show, FRAME_MS);
  closers.push(() => clearInterval(frames));

  // The first calls after a start connect; what follows is the steady state.
  await sleep(1_000);
  for (const [index, step] of wanted.entries()) await run(step, index, stage, views);
  clearInterval(frames);
  await traffic.stop();
  show();

  const { calls, lost, gray } = takeFigures(stage, views, startedAtMs);
  const steps = views.map(({ step, finding, lost: own }) => {
    const settleMs = finding === undefined || Number.isNaN(finding.settleMs) ? null : Math.round(finding.settleMs);
    return { name: step.name, lost: own, settleMs };
  });
  const { splits: split, takenBack: rollout = null } = stage;
  screen.say(`\n${calls} calls, ${lost} lost.`);
  if (rollout !== null) screen.say(`graylane policy log payments: ${rollout.author}: ${rollout.reason}`);
  if (asJson) console.log(JSON.stringify({ source: world.source, calls, lost, gray, split, steps, rollout }));
  if (isStaying) await stay(world, page.url);
  return lost === 0 && gray.sent === gray.canary && views.every((view) => view.state === 'held');
}

async function run(step: (typeof STEPS)[number], index: number, stage: Stage, views: StepView[]): Promise<void> {
  const beganAtMs = performance.now();
  const change = (view: StepView): void => {
    views[index] = view;
    screen.stepChanged(view);
  };
  change({ step, state: 'running', finding: undefined, lost: 0 });
  const finding = await step.run(stage);
  const lost = stage.traffic.since(beganAtMs).filter((record) => record.reply === undefined).length;
  change({ step, state: finding.holds && lost === 0 ? 'held' : 'failed', finding, lost });
}

/** Calls go on for the page; Ctrl-C ends it. */
async function stay(world: World, url: string): Promise<void> {
  const traffic = startTraffic(world.graylane, false);
  closers.push(() => traffic.stop());
  screen.say(`The page stays open at ${url} until Ctrl-C.`);
  await new Promise(() => {});
}

/** Once, whoever asks first: the end, an error, or Ctrl-C. */
let closing: Promise<void> | undefined;
function close(): Promise<void> {
  closing ??= (async () => {
    screen.close();
    for (const each of closers.reverse()) await each();
  })();
  return closing;
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.once(signal, () => void close().finally(() => process.exit(code)));
}

main()
  .then(
    (holds) => {
      process.exitCode = holds ? 0 : 1;
    },
    (error: unknown) => {
      // An interrupted start fails somewhere; that is no news.
      if (closing === undefined) console.error(error);
      process.exitCode = 1;
    },
  )
  .finally(close);
