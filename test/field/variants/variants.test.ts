import { describe, expect, it, vi } from 'vitest';
import { isLong, sliceOf } from '../../support/slice';
import { untilReady } from '../../support/until-ready';
import { openClient, WAYS, type Way } from './caller';
import { KINDS, type Kind, startService } from './service';
import { VARIANTS, type Variant } from './variants';

vi.setConfig({ maxConcurrency: 4 });

interface Cell {
  readonly name: string;
  readonly variant: Variant;
  readonly kind: Kind;
  readonly way: (typeof WAYS)[number];
  readonly isRetried: boolean;
}

interface Seen {
  readonly told: unknown;
  readonly executions: number | undefined;
  readonly received: readonly unknown[];
}

/** The call of the cell with servers of its own. */
async function see({ variant, kind, isRetried }: Cell, way: Way): Promise<Seen> {
  const { server = {}, client: options, definition, handler, isCold = false, isRace = false, received } = variant;
  const service = await startService(server);
  const opened = openClient(way, service, { isRetried, options, definition });
  try {
    if (!isCold) await untilReady(opened.client);
    if (handler !== undefined) service.handler = handler;
    const told = await variant.run({ kind, client: opened.client, service });
    return {
      told,
      executions: isRace ? undefined : service.executions.length,
      received: isRace || received === undefined ? [] : service.executions.map(({ metadata }) => received(metadata)),
    };
  } finally {
    await opened.close();
    service.close();
  }
}

function cellsOf(way: Cell['way']): Cell[] {
  return Object.entries(VARIANTS).flatMap(([name, variant]) =>
    (variant.kinds ?? KINDS).flatMap((kind) =>
      [false, true].map((isRetried) => ({ name, variant, kind, way, isRetried })),
    ),
  );
}

/** A cell of every third variant by each way, when it is not all of them. */
const AT_ONCE = Math.round(Object.keys(VARIANTS).length / 3);
const cells = WAYS.map((way) => ({ way, drawn: isLong ? cellsOf(way) : sliceOf(cellsOf(way), AT_ONCE) }));

for (const { way, drawn } of cells) {
  // A bare target finds its client only while no other is open.
  const describeCells = way === 'a bare target' ? describe : describe.concurrent;
  describeCells(`what callers do, by ${way}, is as on grpc-js`, () => {
    for (const cell of drawn) {
      it(`${cell.name}, ${cell.kind}, ${cell.isRetried ? 'with' : 'without'} retry`, async () => {
        const [graylane, plain] = await Promise.all([see(cell, way), see(cell, 'grpc-js')]);
        expect(graylane).toEqual(plain);
      });
    }
  });
}
