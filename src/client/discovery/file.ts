import { readFile } from 'node:fs/promises';
import { type Clock, systemClock } from '../../base/clock';
import { GraylaneError } from '../../base/errors';
import { followFiles } from '../../base/file-watch';
import type { Instance } from '../../base/instances';
import { consoleLogger, type Logger, safeLogger } from '../../base/logger';
import { createRefCounted } from '../../base/ref-counted';
import { parseInstancesText } from './instances-text';
import { createListedServices } from './listed-services';
import type { Source } from './source';
import { createServicesParser } from './static';

export interface FileSourceOptions {
  /** The local one first. Default: `local`; others that instances name follow by name. */
  readonly datacenters?: readonly string[];
  readonly logger?: Logger;
  readonly clock?: Clock;
}

type FileReading = { readonly text: string } | { readonly reason: string };

const POLL_MS = 2_000;
const SETTLE_MS = 20;

/**
 * Instances from a file, lists of `StaticInstance` by service name, in JSON (`.json`) or else YAML. Watched while
 * there is a watch; what replaces it takes effect whole. Content that cannot be read or is wrong changes nothing: the
 * last good one stays, is marked stale with the reason, and a warning is logged. Constructing does no I/O.
 */
export function createFileSource(path: string, options: FileSourceOptions = {}): Source {
  const { datacenters = [], clock = systemClock } = options;
  const logger = safeLogger(options.logger ?? consoleLogger);
  const listed = createListedServices(datacenters, logger);
  const parse = createServicesParser(datacenters);
  let good: ReadonlyMap<string, readonly Instance[]> | undefined;
  let lastSuccessMs = 0;
  let closed = false;

  const failed = (reason: string): void => {
    logger.warn('the file of instances is not usable; what is known stays in force', { path, reason });
    if (good === undefined) listed.update(new Map(), { kind: 'pending', reason }, false);
    else listed.update(good, { kind: 'stale', sinceMs: lastSuccessMs, reason }, true);
  };

  const read = (text: string): void => {
    try {
      good = parse(parseInstancesText(text, path));
    } catch (error) {
      failed(error instanceof Error ? error.message : String(error));
      return;
    }
    lastSuccessMs = clock.now();
    listed.update(good, { kind: 'fresh' }, true);
  };

  const follow = (): { close(): void } =>
    followFiles([path], {
      clock,
      pollIntervalMs: POLL_MS,
      debounceMs: SETTLE_MS,
      read: () =>
        readFile(path, 'utf8').then(
          (text): FileReading => ({ text }),
          (error: NodeJS.ErrnoException): FileReading => ({ reason: `${error.code ?? 'unreadable'} ${path}` }),
        ),
      isSame: (former, next) => JSON.stringify(former) === JSON.stringify(next),
      isFailure: (reading) => 'reason' in reading,
      onReading: (reading) => ('text' in reading ? read(reading.text) : failed(reading.reason)),
    });

  const following = createRefCounted<{ close(): void }>();

  return {
    watch(request, listener) {
      if (closed) throw new GraylaneError('CLIENT_CLOSED', 'this source of instances is closed');
      const watch = listed.watch(request, listener);
      const lease = following.acquire(path, follow);
      return {
        setFilters: (expressions) => watch.setFilters(expressions),
        close() {
          watch.close();
          lease.release();
        },
      };
    },
    close() {
      closed = true;
      following.closeAll();
      listed.close();
    },
  };
}
