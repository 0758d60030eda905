import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { Door } from '../field/ledger-instances';

const run = promisify(execFile);

/** What a network does to the packets of one instance. */
export type NetworkFault =
  | 'packets lost'
  | 'packets late'
  | 'requests swallowed'
  | 'answers swallowed'
  | 'black hole'
  | 'cable pulled';

/** A network namespace with one way in, for the process of one instance. The rules of this machine's own network stay as they are. */
export interface Plot extends Door {
  /** From now on, until `heal`. */
  break(fault: NetworkFault): Promise<void>;
  heal(): Promise<void>;
  remove(): Promise<void>;
}

/** What can be done to a network here, or why nothing can. */
export interface NetworkTools {
  readonly faults: readonly NetworkFault[];
  /** What cannot be done here, and what stands in for it. */
  readonly notes: readonly string[];
}

/** Needs Linux, root and iproute2: `ip` and `tc`. `tc` with netem, or `nft`, for lost packets. */
export async function networkTools(): Promise<NetworkTools> {
  if (process.platform !== 'linux') return { faults: [], notes: ['no network faults: this is not Linux'] };
  if (process.getuid?.() !== 0) return { faults: [], notes: ['no network faults: namespaces need root'] };
  let plot: NamedPlot | undefined;
  try {
    plot = await plotOf(3);
    await run('tc', ['-n', plot.namespace, 'qdisc', 'replace', 'dev', INNER, 'root', 'pfifo', 'limit', '0']);
    const hasNetem = await works('tc', ['-n', plot.namespace, 'qdisc', 'replace', 'dev', INNER, 'root', 'netem']);
    const hasNft = await works('ip', ['netns', 'exec', plot.namespace, 'nft', 'add', 'table', 'inet', 'probe']);
    return {
      faults: [
        ...(hasNetem || hasNft ? (['packets lost'] as const) : []),
        'packets late',
        'requests swallowed',
        'answers swallowed',
        'black hole',
        'cable pulled',
      ],
      notes: [
        ...(hasNetem ? [] : ['no netem in this kernel: packets are late in a queue of 64 kbit/s']),
        ...(hasNetem || hasNft ? [] : ['no lost packets: neither netem nor nft']),
      ],
    };
  } catch (error) {
    return { faults: [], notes: [`no network faults: ${(error as Error).message.trim()}`] };
  } finally {
    await plot?.remove();
  }
}

async function works(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, [...args]).then(
    () => true,
    () => false,
  );
}

/** Of the end inside the namespace. */
const INNER = 'eth0';
/** One and the other direction: 30 % together. */
const LOST_PERCENT = 16;

interface NamedPlot extends Plot {
  readonly namespace: string;
}

/** `number`: 0 to 3, another one for each plot of a process. */
export async function plotOf(number: number): Promise<NamedPlot> {
  const namespace = `graylane-${process.pid}-${number}`;
  const outer = `gl${process.pid}n${number}`;
  // A /30 of the range for tests of devices (RFC 2544), by process and plot.
  const block = `198.18.${(process.pid >> 4) & 255}`;
  const first = ((process.pid & 15) * 4 + number) * 4;
  const [here, address] = [`${block}.${first + 1}`, `${block}.${first + 2}`];
  const heal = async (): Promise<void> => {
    await works('ip', ['-n', namespace, 'link', 'set', INNER, 'up']);
    await works('tc', ['-n', namespace, 'qdisc', 'del', 'dev', INNER, 'root']);
    await works('tc', ['qdisc', 'del', 'dev', outer, 'root']);
    await works('ip', ['netns', 'exec', namespace, 'nft', 'delete', 'table', 'inet', 'lossy']);
  };
  const swallowAnswers = () =>
    run('tc', ['-n', namespace, 'qdisc', 'add', 'dev', INNER, 'root', 'pfifo', 'limit', '0']);
  const swallowRequests = () => run('tc', ['qdisc', 'add', 'dev', outer, 'root', 'pfifo', 'limit', '0']);
  const shape = (...discipline: string[]) =>
    run('tc', ['-n', namespace, 'qdisc', 'add', 'dev', INNER, 'root', ...discipline]);
  const breaking: Readonly<Record<NetworkFault, () => Promise<unknown>>> = {
    'packets lost': async () => {
      if (await works('tc', ['-n', namespace, 'qdisc', 'add', 'dev', INNER, 'root', 'netem', 'loss', '30%'])) return;
      await run('ip', ['netns', 'exec', namespace, 'nft', lossRules()]);
    },
    'packets late': async () => {
      if (
        await works('tc', ['-n', namespace, 'qdisc', 'add', 'dev', INNER, 'root', 'netem', 'delay', '300ms', '100ms'])
      )
        return;
      await shape('tbf', 'rate', '64kbit', 'burst', '1600', 'latency', '400ms');
    },
    'requests swallowed': swallowRequests,
    'answers swallowed': swallowAnswers,
    'black hole': () => Promise.all([swallowRequests(), swallowAnswers()]),
    'cable pulled': () => run('ip', ['-n', namespace, 'link', 'set', INNER, 'down']),
  };
  const removeNow = (): void => void spawnSync('ip', ['netns', 'del', namespace]);
  process.once('exit', removeNow);
  const remove = async (): Promise<void> => {
    process.off('exit', removeNow);
    await works('ip', ['link', 'del', outer]);
    await works('ip', ['netns', 'del', namespace]);
  };
  await run('ip', ['netns', 'add', namespace]);
  try {
    await run('ip', ['link', 'add', outer, 'type', 'veth', 'peer', 'name', INNER, 'netns', namespace]);
    await run('ip', ['addr', 'add', `${here}/30`, 'dev', outer]);
    await run('ip', ['link', 'set', outer, 'up']);
    await run('ip', ['-n', namespace, 'addr', 'add', `${address}/30`, 'dev', INNER]);
    await run('ip', ['-n', namespace, 'link', 'set', INNER, 'up']);
    await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    namespace,
    address,
    prefix: ['ip', 'netns', 'exec', namespace],
    break: async (fault) => void (await breaking[fault]()),
    heal,
    remove,
  };
}

/** Packets of both directions are dropped by chance, in the namespace only. */
function lossRules(): string {
  const chain = (hook: string): string =>
    `add chain inet lossy ${hook} { type filter hook ${hook} priority 0; }; ` +
    `add rule inet lossy ${hook} numgen random mod 100 < ${LOST_PERCENT} drop`;
  return `add table inet lossy; ${chain('input')}; ${chain('output')}`;
}
