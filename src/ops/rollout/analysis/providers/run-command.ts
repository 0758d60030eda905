import { spawn } from 'node:child_process';
import type { CommandConfig } from '../../config/controller-config';
import { MeasureError } from './measure-error';

const MAX_BYTES = 1024 * 1024;
const SHOWN_CHARACTERS = 200;

/**
 * Runs a program without a shell, gives it `input` as JSON on its standard input and reads JSON from its standard output. What runs
 * too long is killed. Rejects with a {@link MeasureError}. The
 * program is the controller's own choice and sees this process' environment.
 */
export function runCommand(
  { run, timeoutMs = 10_000 }: CommandConfig,
  input: unknown,
  signal?: AbortSignal,
): Promise<unknown> {
  const [program = '', ...args] = run;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
    let output = '';
    let complaint = '';
    let reason: string | undefined;
    const stop = (why: string): void => {
      reason ??= why;
      child.kill('SIGKILL');
      // A grandchild may hold the pipes open for longer than anybody waits.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const timer = setTimeout(() => stop(`no answer within ${timeoutMs} ms`), timeoutMs);
    const cancel = (): void => stop('cancelled');
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted === true) cancel();
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
      finish();
    };
    const fail = (why: string): void => settle(() => reject(new MeasureError(why)));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.length > MAX_BYTES) stop(`more than ${MAX_BYTES} bytes of output`);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-SHOWN_CHARACTERS);
    });
    // One that does not read its input is none the worse for it.
    child.stdin.on('error', () => {});
    child.stdin.end(JSON.stringify(input));
    child.once('error', (error: NodeJS.ErrnoException) => fail(reason ?? error.code ?? 'could not be started'));
    child.once('close', (code, killedBy) => {
      if (reason !== undefined) return fail(reason);
      if (code !== 0) {
        const said = complaint.trim().split('\n').at(-1) ?? '';
        return fail(`exit ${code ?? killedBy}${said === '' ? '' : `: ${said}`} (expected: 0)`);
      }
      return settle(() => {
        try {
          resolve(JSON.parse(output));
        } catch {
          reject(new MeasureError('output that is not JSON (expected: JSON)'));
        }
      });
    });
  });
}
