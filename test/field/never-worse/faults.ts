import * as grpc from '@grpc/grpc-js';
import type { Fleet } from './fleet';
import { FAST_CODES, type Scene } from './scenes';
import { CALLS } from './workloads';

const DOWN_MS = 400;
const RESTART_EVERY_MS = 2_000;
/** In the time that a fault lasts, and one more. */
const RESTARTS = 3;
const STALL_MS = 1_000;
const STALL_EVERY_MS = 2_000;
/** Of its fair share of calls: what one that sheds serves, and what the others have room for. */
const SHED_SHARE = 0.5;
const ROOM = 1.6;

/** What takes time and must not take it from the clients. */
export async function prepareFault({ fault }: Scene, fleet: Fleet): Promise<void> {
  if (fault === 'restarts every 2 s') await fleet.prepare(RESTARTS);
}

/** Begins the fault, and resolves to what ends it. */
export async function beginFault(scene: Scene, fleet: Fleet): Promise<() => Promise<void>> {
  const { fault } = scene;
  const { well, victim } = fleet;
  const serveAgain = (): Promise<void> => victim.behave({ does: 'serve' });
  const fastCode = FAST_CODES.find((code) => fault === `fails fast: ${code}`);
  if (fastCode !== undefined) {
    await victim.behave({ does: 'fail', share: 1, code: grpc.status[fastCode] });
    return serveAgain;
  }
  switch (fault) {
    case 'killed':
      await victim.kill();
      return () => fleet.replaceVictim();
    case 'frozen':
      victim.freeze();
      return async () => victim.thaw();
    case 'hung handlers':
      await victim.behave({ does: 'hang' });
      return serveAgain;
    case '20 x slower':
      await victim.behave({ does: 'slow', factor: 20 });
      return serveAgain;
    case 'fails 20 %':
      await victim.behave({ does: 'fail', share: 0.2, code: grpc.status.INTERNAL });
      return serveAgain;
    case 'sheds load': {
      const fair = CALLS[scene.workload].reduce((sum, { perSecond }) => sum + perSecond, 0) / scene.size;
      await Promise.all([
        victim.behave({ does: 'shed', perSecond: fair * SHED_SHARE, burst: 2 }),
        well.behave({ does: 'shed', perSecond: fair * ROOM, burst: 10 }),
      ]);
      return async () => void (await Promise.all([serveAgain(), well.behave({ does: 'serve' })]));
    }
    case 'restarts every 2 s':
      return again(RESTART_EVERY_MS, async () => {
        await fleet.victim.kill();
        await new Promise((resolve) => setTimeout(resolve, DOWN_MS));
        await fleet.replaceVictim();
      });
    case 'stalls 1 s now and then':
      return again(STALL_EVERY_MS, () => victim.stall(STALL_MS));
    case 'NAT forgets connections':
      await well.forgetConnections();
      return async () => undefined;
    default:
      return async () => undefined;
  }
}

/** Does it at once and then every so often; what is returned ends it, and resolves when none of it is going on. */
function again(everyMs: number, once: () => Promise<void>): () => Promise<void> {
  let isGoing = false;
  const begin = async (): Promise<void> => {
    isGoing = true;
    await once();
    isGoing = false;
  };
  let going = begin();
  const timer = setInterval(() => {
    if (!isGoing) going = begin();
  }, everyMs);
  return async () => {
    clearInterval(timer);
    await going;
  };
}
