import type { Measurement, MeasureRequest, MetricsProvider } from '../analysis/metrics-provider';
import { MeasureError } from '../analysis/providers/measure-error';
import type { RolloutProgress } from '../progress';
import type { Announcer } from './announcer';
import type { Collector } from './collector';
import { windowId } from './counted-window';

const NAME = 'clients';
/** Hearing of a window, and sending. */
const SLACK_MS = 500;

/**
 * The figures that clients have reported of the window that is open in `progress`: counts from when each heard of it. After an
 * announcement it waits until each client has had the time for a report, so that a controller which has just taken over
 * measures all of the window and not the few that were quick.
 */
export function createClientsProvider(
  { collector, announcer, now }: { readonly collector: Collector; readonly announcer: Announcer; now(): number },
  progress: RolloutProgress,
): MetricsProvider {
  const id = windowId(progress);
  return {
    name: NAME,
    async measure({ service, signal }: MeasureRequest): Promise<Measurement> {
      // Who takes over measures before anybody is told that it does.
      await announcer.drive(service, progress);
      const { window, sinceMs, problem } = announcer.standing(service);
      if (window?.id !== id) {
        throw new MeasureError(`${NAME}: nothing was announced to them${problem === undefined ? '' : `: ${problem}`}`);
      }
      await sleep(sinceMs + window.everyMs + SLACK_MS - now(), signal);
      const sum = collector.sum(service, id);
      if (sum === undefined || sum.clients === 0) {
        throw new MeasureError(
          `${NAME}: none has reported (expected: clients of ${service} with reportRolloutMetrics: true that may read ` +
            `graylane/rollouts/${service}/collector and reach this controller)`,
        );
      }
      const { canary, stable } = sum;
      return { canary, stable };
    },
  };
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (milliseconds <= 0 || signal?.aborted === true) return void resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener('abort', done, { once: true });
  });
}
