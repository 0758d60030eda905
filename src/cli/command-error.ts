/**
 * 0: done. 1: a problem was found (invalid, refused, diverging, lost the race). 2: used wrongly, or could not run. 3: the
 * rollout was taken back.
 */
export type ExitCode = 0 | 1 | 2 | 3;

/**
 * Ends a command with one line on standard error: what is wrong, and what to do next. Thrown by commands, caught by
 * `run()`. Its texts must hold no secret.
 */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
  readonly exitCode: ExitCode;
  /** A whole instruction, without a full stop: `run graylane policy diff payments.yaml`. */
  readonly nextStep: string | undefined;

  constructor(exitCode: ExitCode, message: string, nextStep?: string) {
    super(message);
    this.exitCode = exitCode;
    this.nextStep = nextStep;
  }
}
