import { readdirSync, readFileSync } from 'node:fs';

const LIMIT_MS = 2000;

/**
 * Stops a child with SIGSTOP and returns when none of its threads runs any more: until then it may go on to answer, for some
 * milliseconds on a busy machine. Where there is no `/proc` it does not wait.
 */
export function freeze(child: { readonly pid?: number | undefined; kill(signal: 'SIGSTOP'): boolean }): void {
  child.kill('SIGSTOP');
  const until = performance.now() + LIMIT_MS;
  while (runs(child.pid)) {
    if (performance.now() > until) throw new Error(`process ${child.pid} still runs ${LIMIT_MS} ms after SIGSTOP`);
  }
}

function runs(pid: number | undefined): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).some((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
      // "pid (name) state ...": T is stopped; Z and X have ended.
      return !'TtZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2));
    });
  } catch {
    // No `/proc` here, or it has ended.
    return false;
  }
}
