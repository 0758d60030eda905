import { type Collecting, startCollecting } from '../../ops/rollout/collector/collecting';
import type { Lease } from '../../ops/rollout/lease';
import { CommandError } from '../command-error';
import type { CommandIo } from '../io';
import { isWildcard, type ListenAddress } from './listen-address';
import type { RolloutSession } from './rollout-session';

export interface ListenFlags {
  readonly listen?: ListenAddress;
  readonly advertise?: string;
}

/** Throws a CommandError for flags that do not go together. */
export function checkListen({ listen, advertise }: ListenFlags): void {
  if (listen === undefined && advertise !== undefined) {
    throw new CommandError(2, '--advertise: given without --listen (expected: both)', 'add --listen 0.0.0.0:9464');
  }
  if (listen !== undefined && isWildcard(listen) && advertise === undefined) {
    throw new CommandError(
      2,
      `--listen: ${listen.host} is every address (expected: with it, --advertise and the one that clients reach)`,
      `add --advertise http://ADDRESS:${listen.port}`,
    );
  }
}

/** Undefined when nobody is listened to. Throws a CommandError when the address cannot be had. */
export async function listenForFigures(
  { listen, advertise }: ListenFlags,
  { connection: { client } }: RolloutSession,
  lease: Lease,
  io: CommandIo,
): Promise<Collecting | undefined> {
  if (listen === undefined) return undefined;
  try {
    const collecting = await startCollecting({
      ...listen,
      ...(advertise === undefined ? {} : { advertise }),
      client,
      lease,
    });
    const told = advertise === undefined ? '' : `; clients are told ${advertise}`;
    io.note(`graylane: listens at ${collecting.address}${told}`);
    return collecting;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const { host, port } = listen;
    throw new CommandError(
      2,
      `--listen: ${host}:${port}: ${code} (expected: a free address of this host)`,
      'choose another',
    );
  }
}
