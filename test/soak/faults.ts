import { LIES } from './lying-proxy';
import { POLICY_KEY, type World } from './world';

/** Something that goes wrong for a while and is over when it resolves. `lengthMs` is how long it lasts. */
export interface SoakFault {
  readonly name: string;
  /** An instance or its network is ill meanwhile: a call that was out there, and may not run again, may be lost. */
  readonly isIllness?: boolean;
  run(world: World, lengthMs: number): Promise<void>;
}

/** At Consul and in what it lists. One at a time. */
export const registryFaults: readonly SoakFault[] = [
  {
    name: 'Consul killed, restarted with its state',
    async run({ dc1 }, lengthMs) {
      await dc1.kill();
      await pause(lengthMs);
      await dc1.restart();
    },
  },
  {
    name: 'Consul frozen',
    async run({ dc1 }, lengthMs) {
      dc1.freeze();
      await pause(lengthMs);
      dc1.thaw();
    },
  },
  {
    name: 'the other datacenter frozen',
    async run({ dc2 }, lengthMs) {
      dc2.freeze();
      await pause(lengthMs);
      dc2.thaw();
    },
  },
  {
    name: 'every instance gone from the catalog',
    async run(world, lengthMs) {
      await world.deregister(world.dc1, world.near);
      await pause(lengthMs);
      await world.register(world.dc1, world.near);
    },
  },
  {
    name: 'half of the instances gone at once',
    async run(world, lengthMs) {
      await world.deregister(world.dc1, world.near.slice(0, 2));
      await pause(lengthMs);
      await world.register(world.dc1, world.near.slice(0, 2));
    },
  },
  {
    name: 'an instance flaps',
    async run(world, lengthMs) {
      const until = performance.now() + lengthMs;
      for (let flip = 0; performance.now() < until; flip += 1) {
        await world.register(world.dc1, world.near.slice(0, 1), flip % 2 === 0 ? 'critical' : 'passing');
        await pause(20);
      }
      await world.register(world.dc1, world.near.slice(0, 1));
    },
  },
  {
    name: 'instances critical',
    async run(world, lengthMs) {
      await world.register(world.dc1, world.near.slice(0, 2), 'critical');
      await pause(lengthMs);
      await world.register(world.dc1, world.near.slice(0, 2));
    },
  },
  {
    name: 'a bad policy pushed',
    async run(world, lengthMs) {
      await world.dc1.putKv(POLICY_KEY, '{"schema":1,"service":"payments","default":"nobody"}').catch(() => {});
      await pause(lengthMs);
      await world.putPolicy(10);
    },
  },
  {
    name: 'weights moved',
    async run(world, lengthMs) {
      for (let step = 0; step < 5; step += 1) {
        await world.putPolicy(10 + step * 10);
        await pause(lengthMs / 5);
      }
    },
  },
];

/** Between the Graylane client and Consul. They come while the others go on. */
export const answerFaults: readonly SoakFault[] = LIES.map((lie) => ({
  name: `answers: ${lie}`,
  async run({ proxy }, lengthMs) {
    proxy.tell(lie);
    await pause(lengthMs);
    proxy.tell(undefined);
  },
}));

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
