import type { Random } from '../../src/base/random';
import { pause, type SoakFault } from './faults';
import { IN_LANE, LANE } from './ledger-world';
import type { NetworkFault } from './network';

/** A network heals later than a process is replaced, in multiples of what other faults last: up to three deadlines of a call. */
const NETWORK_TIMES = 6;

/** At instances and their network. One at a time, so that healthy ones are left; `random` says which. */
export function instanceFaults(random: Random, network: readonly NetworkFault[]): readonly SoakFault[] {
  const oneOf = (indexes: readonly number[]): number => indexes[Math.floor(random() * indexes.length)] as number;
  return [
    {
      name: 'an instance deployed anew, in order',
      run: ({ ledger }) => ledger.instances.restart(oneOf(ledger.near)),
    },
    {
      name: 'an instance killed',
      isIllness: true,
      run: ({ ledger }) => ledger.instances.kill(oneOf(ledger.near)),
    },
    ...network.map(
      (fault): SoakFault => ({
        name: `network: ${fault}`,
        isIllness: true,
        run: ({ ledger }, lengthMs) => ledger.cutOff(oneOf([0, 1]), fault, () => pause(lengthMs * NETWORK_TIMES)),
      }),
    ),
  ];
}

/** Changes that a team makes. No call may notice one. */
export const ledgerChanges: readonly SoakFault[] = [
  {
    name: 'a lane ends, and begins again',
    async run({ ledger }, lengthMs) {
      await ledger.deregister(IN_LANE);
      await pause(lengthMs);
      await ledger.register(IN_LANE, LANE);
    },
  },
  {
    name: 'the instance of a lane joins the others, and leaves them',
    async run({ ledger }, lengthMs) {
      await ledger.register(IN_LANE);
      await pause(lengthMs);
      await ledger.register(IN_LANE, LANE);
    },
  },
  {
    name: 'weights of a canary moved',
    async run({ ledger }, lengthMs) {
      for (const weight of [0, 5, 100, 50, 20]) {
        await ledger.putPolicy(weight);
        await pause(lengthMs / 5);
      }
    },
  },
  {
    name: 'an instance leaves the list with its calls, and is back',
    async run({ ledger }, lengthMs) {
      await ledger.deregister(3);
      await pause(lengthMs);
      await ledger.register(3);
    },
  },
];
