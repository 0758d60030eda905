import { createServer } from 'node:http';
import { passOn } from './pass-on';

/** Stands before an agent and keeps requests of some paths waiting until it is told to let them through. */
export interface HoldingProxy {
  /** `http://host:port` */
  readonly address: string;
  /** How many requests are held. */
  readonly held: number;
  release(): void;
  stop(): Promise<void>;
}

export async function startHoldingProxy(target: string, isHeld: (path: string) => boolean): Promise<HoldingProxy> {
  let waiting: (() => void)[] = [];
  let isReleased = false;
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '';
    const pass = (): void => passOn(target, incoming, outgoing);
    if (isReleased || !isHeld(path)) pass();
    else waiting.push(pass);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('not a TCP port');
  return {
    address: `http://127.0.0.1:${bound.port}`,
    get held() {
      return waiting.length;
    },
    release: () => {
      isReleased = true;
      const passes = waiting;
      waiting = [];
      for (const pass of passes) pass();
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
