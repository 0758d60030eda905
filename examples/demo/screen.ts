import type { Figures, StepView } from './figures';
import { describeSettling, drawTable } from './table';

/** Where the demo shows itself. */
export interface Screen {
  /** A line that stays. */
  say(text: string): void;
  /** Called often. */
  show(figures: Figures): void;
  /** A step has begun or ended. */
  stepChanged(view: StepView): void;
  /** Leaves the terminal as it was found. Idempotent. */
  close(): void;
}

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_LINE_END = '\u001b[K';
/** Needed by the table. */
const LEAST_COLUMNS = 80;
const LEAST_ROWS = 24;

/** A table that is redrawn in place in a terminal that has room for it, plain lines elsewhere. */
export function createScreen(output: NodeJS.WriteStream, heading: () => string): Screen {
  const { isTTY, columns = 0, rows = 0 } = output;
  const canRedraw = isTTY && process.env['TERM'] !== 'dumb' && columns >= LEAST_COLUMNS && rows >= LEAST_ROWS;
  return canRedraw ? createRedrawnScreen(output, heading) : createPlainScreen(output);
}

function createRedrawnScreen(output: NodeJS.WriteStream, heading: () => string): Screen {
  let height = 0;
  let last: Figures | undefined;
  const draw = (figures: Figures): void => {
    last = figures;
    const lines = drawTable(figures, heading());
    // No line break after the last: in a terminal that is just as high the first would leave it.
    const up = height === 0 ? HIDE_CURSOR : `\r\u001b[${height - 1}A`;
    output.write(up + lines.map((line) => `${line}${CLEAR_LINE_END}`).join('\n'));
    height = lines.length;
  };
  return {
    say: (text) => {
      output.write(`${height === 0 ? '' : '\n'}${text}\n`);
      // What follows is drawn below it.
      height = 0;
    },
    show: draw,
    stepChanged: () => {
      if (last !== undefined) draw(last);
    },
    close: () => {
      output.write(`${height === 0 ? '' : '\n'}${SHOW_CURSOR}`);
    },
  };
}

const LINE_EVERY_SECONDS = 2;

function createPlainScreen(output: NodeJS.WriteStream): Screen {
  let nextAtSeconds = 0;
  const say = (text: string): void => {
    output.write(`${text}\n`);
  };
  return {
    say,
    show: ({ seconds, canaryPercent, rates, lost, instances }) => {
      if (seconds < nextAtSeconds) return;
      nextAtSeconds = seconds + LINE_EVERY_SECONDS;
      const served = [...new Set(instances.map((instance) => instance.datacenter))].map((datacenter) => {
        const own = instances.filter((instance) => instance.datacenter === datacenter);
        return `${datacenter} ${own.reduce((sum, instance) => sum + (rates.get(instance.id) ?? 0), 0)}/s`;
      });
      say(
        `${seconds.toFixed(1).padStart(6)} s  ${served.join('  ')}  canary ${canaryPercent.toFixed(0)} %  lost ${lost}`,
      );
    },
    stepChanged: ({ step, state, finding, lost }) => {
      if (finding === undefined) say(`> ${step.title}`);
      else
        say(
          `${state === 'held' ? 'ok' : 'FAILED'}: ${finding.detail}${describeSettling(finding.settleMs)}; ${lost} lost`,
        );
    },
    close() {},
  };
}
