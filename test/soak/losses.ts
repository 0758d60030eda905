import type { MachineWatch } from './machine';

const MOST_KEPT = 100;

/** What callers saw. All are counted; of a few the text is kept, so that a bad run does not look like a leak. */
export class Losses {
  count = 0;
  /** Of calls that were out while this machine had no time for the process. */
  ofMachine = 0;
  readonly texts: string[] = [];
  readonly #machine: MachineWatch;

  constructor(machine: MachineWatch) {
    this.#machine = machine;
  }

  /** True, and counted: this machine had no time since then. */
  isOfMachine(beganMs: number): boolean {
    const isBusy = this.#machine.wasBusySince(beganMs);
    if (isBusy) this.ofMachine += 1;
    return isBusy;
  }

  add(text: string, beganMs: number): void {
    if (this.isOfMachine(beganMs)) return;
    this.count += 1;
    if (this.texts.length < MOST_KEPT) this.texts.push(text);
  }
}
