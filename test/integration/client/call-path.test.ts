import { type Profiler, Session } from 'node:inspector';
import { resolve, sep } from 'node:path';
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { createGraylane, definePolicy } from '../../../src/index';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';

/** How many files of `src` a reader has to open to follow one unary call. Fewer is better; more needs a reason. */
const MOST_FILES = 25;
const CALLS = 20;
const MOST_CALLS = 200;
/** Runs at most ten times a second, which on a busy machine is each call. */
const NOW_AND_THEN = 'client/balancer/endpoints/reported-capacity.ts';
/** What the test runner makes of an export. */
const EXPORT_GETTER = /^\(\) => \{ try \{ return \w+ \} catch \{\} \}$/;
const SOURCE = resolve(__dirname, '../../../src') + sep;

const policy = definePolicy({
  schema: 1,
  service: 'payments',
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
    {
      name: 'everyone',
      split: [
        { to: 'stable', weight: 90 },
        { to: 'canary', weight: 10 },
      ],
    },
  ],
  retry: { maxAttempts: 3 },
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Counts which functions V8 executes in this thread. */
class Coverage {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
    this.#session.post('Debugger.enable');
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  }

  /** The files of `src` that executed a function since the last time. Module bodies do not count: they ran before. */
  take(): ReadonlySet<string> {
    let scripts: readonly Profiler.ScriptCoverage[] = [];
    // Within one thread the session answers at once.
    this.#session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
      scripts = result;
    });
    const files = new Set<string>();
    for (const script of scripts) {
      const path = script.url.replace(/^file:\/\//, '');
      if (path.startsWith(SOURCE) && this.#isExecuted(script)) files.add(path.slice(SOURCE.length));
    }
    return files;
  }

  #isExecuted({ scriptId, functions }: Profiler.ScriptCoverage): boolean {
    return functions.some(({ functionName, ranges: [whole] }) => {
      if (whole === undefined || whole.count === 0) return false;
      if (functionName !== '') return true;
      return !EXPORT_GETTER.test(this.#sourceOf(scriptId).slice(whole.startOffset, whole.endOffset));
    });
  }

  #sourceOf(scriptId: string): string {
    let source = '';
    this.#session.post('Debugger.getScriptSource', { scriptId }, (_error, { scriptSource }) => {
      source = scriptSource;
    });
    return source;
  }

  close(): void {
    this.#session.disconnect();
  }
}

describe('the way of a call', () => {
  it(`passes at most ${MOST_FILES} files of src from createCall to its status`, async () => {
    const servers = [
      await startPaymentsServer({ name: 's1', version: 'stable' }),
      await startPaymentsServer({ name: 's2', version: 'stable' }),
      await startPaymentsServer({ name: 'c1', version: 'canary' }),
    ];
    for (const { kill } of servers) closers.push(kill);
    const graylane = createGraylane({
      instances: { payments: servers.map(({ host, port, version }) => ({ address: host, port, tags: [version] })) },
      policies: { payments: policy },
    });
    closers.push(() => graylane.close());
    let beforeCreateCall = (): void => {};
    const interceptor: Interceptor = (options, nextCall) => {
      beforeCreateCall();
      return new InterceptingCall(nextCall(options));
    };
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions({ interceptors: [interceptor] }));
    closers.push(() => client.close());
    for (let call = 0; call < CALLS; call += 1) await charge(client);

    const coverage = new Coverage();
    closers.push(() => coverage.close());
    beforeCreateCall = () => void coverage.take();
    // Ticks and pings run beside some calls, on a busy machine beside most: what every call passes is the way of a call.
    let files: string[] | undefined;
    for (let call = 0; call < MOST_CALLS && (call < CALLS || (files?.length ?? 0) > MOST_FILES); call += 1) {
      await charge(client);
      const passed = coverage.take();
      files = (files ?? [...passed]).filter((file) => passed.has(file) && file !== NOW_AND_THEN);
    }
    files = (files ?? []).sort();
    expect(files, 'the measure itself').toContain('client/grpc/channel.ts');
    expect(files.length, files.join('\n')).toBeLessThanOrEqual(MOST_FILES);
  });
});
