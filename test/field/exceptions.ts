import { seenByGrpc } from './beside-grpc';
import { type Cell, MAX_ATTEMPTS } from './cells';
import { ANSWER } from './endings';
import type { Seen } from './watched-call';

/** Where a call on Graylane may be seen to differ from one on grpc-js, and what it is then. There are no others. */
interface Exception {
  readonly why: string;
  readonly applies: (cell: Cell) => boolean;
  /** `plain`: what grpc-js showed in the same cell. */
  readonly expected: (cell: Cell, plain: Seen) => Promise<Seen>;
}

const EXCEPTIONS: readonly Exception[] = [
  {
    why:
      'What no application can have seen is tried elsewhere, however often it is refused, and counts as no attempt. ' +
      'grpc-js does so once for each call (gRFC A6 has no more than one transparent retry of a refused stream).',
    applies: ({ repetition, retry }) => repetition === 'twice' && !retry.isDisabled,
    expected: (cell) => seenByGrpc({ ...cell, repetition: 'once' }),
  },
  {
    why:
      'A unary response that breaks off between its headers and its status is had again, if the call may run again ' +
      'and the status that grpc-js makes of the break is one to retry (docs/decisions/0022). ' +
      'grpc-js retries nothing once the headers are there.',
    applies: breaksOffHeld,
    expected: async (cell, plain) =>
      cell.repetition === 'once'
        ? { ...(await seenByGrpc({ ...cell, ...ANSWERED })), executions: 2 }
        : { ...plain, executions: MAX_ATTEMPTS },
  },
  {
    why:
      'A server that answers RESOURCE_EXHAUSTED turns a call away. The call is tried again only while other endpoints ' +
      'have room (docs/decisions/0029): where the second one turns it away as well, it ends. grpc-js tries as often as ' +
      'its policy says, which multiplies the load of a service that is full.',
    applies: ({ ending, repetition, retry }) =>
      ending.name === 'trailers-only RESOURCE_EXHAUSTED' && repetition === 'always' && retriesExhausted(retry),
    expected: async (_, plain) => ({ ...plain, executions: 2 }),
  },
];

function retriesExhausted({ codes, isDisabled }: Cell['retry']): boolean {
  return !isDisabled && codes.includes('RESOURCE_EXHAUSTED');
}

const ANSWERED: Pick<Cell, 'ending' | 'position' | 'repetition'> = {
  ending: ANSWER,
  position: 'before headers',
  repetition: 'always',
};

function breaksOffHeld({ kind, ending: { breaksWith }, position, retry, way }: Cell): boolean {
  // Only client options tell Graylane which methods are unary.
  if (kind !== 'unary' || way !== 'client options' || breaksWith === undefined || retry.isDisabled) return false;
  return (position === 'after headers' || position === 'after a message') && retry.codes.includes(breaksWith);
}

/** What the call of `cell` should be seen to do on Graylane. */
export async function expectedOnGraylane(cell: Cell, plain: Seen): Promise<Seen> {
  const exception = EXCEPTIONS.find(({ applies }) => applies(cell));
  return exception === undefined ? plain : await exception.expected(cell, plain);
}
