import { systemClock } from '../../base/clock';
import type { ConsoleFacts } from '../../ops/console/answers';
import type { ConsoleOperation } from '../../ops/console/operation';
import { timelineOf } from '../../ops/console/timeline';
import { RETENTION } from '../../ops/store/history';
import { answeredOf, nameOf, readAll, withStore } from '../consul/store-session';
import { parseService } from '../flags';
import type { CommandIo } from '../io';
import { collect } from './collected';
import { type ConsoleSettings, commandOperation, serviceOf } from './console-session';

/** What is there: each is what a command says with `--json`, so that page and command agree. */
export function readOperations(settings: ConsoleSettings): readonly ConsoleOperation[] {
  const { sources, isReadOnly } = settings;
  const { prometheus, url = [] } = sources;
  const figures = prometheus !== undefined ? 'prometheus' : url.length > 0 ? 'processes' : null;
  return [
    commandOperation('GET', '/console', settings, async (_, flags, io) => {
      const { withConsul } = await import('../consul/consul-connection.js');
      const { SDK_VERSION } = await import('../../base/sdk-version.js');
      const datacenters = await withConsul(flags, io, (connection) => connection.everywhere());
      const facts: ConsoleFacts = { version: SDK_VERSION, isReadOnly, datacenters, figures };
      io.json(facts);
    }),
    commandOperation('GET', '/services', settings, async (_, flags, io) => {
      await (await import('./services.js')).listServices(flags, io);
    }),
    commandOperation('GET', '/services/{service}/instances', settings, async (request, flags, io) => {
      await (await import('../instances.js')).listInstances(serviceOf(request), flags, io);
    }),
    commandOperation('GET', '/services/{service}/policy', settings, async (request, flags, io) => {
      await showPolicy(serviceOf(request), flags, io);
    }),
    commandOperation('GET', '/services/{service}/history', settings, async (request, flags, io) => {
      await withStore(flags, io, async (session) => {
        const readings = answeredOf(await readAll(session, serviceOf(request)), io);
        const entriesOf = (stored: (typeof readings)[number]) => timelineOf(stored, RETENTION.maxEntries);
        io.json(readings.map((stored) => ({ datacenter: nameOf(stored.datacenter), entries: entriesOf(stored) })));
      });
    }),
    commandOperation('GET', '/services/{service}/rollout', settings, async (request, flags, io) => {
      const { showStatus, showHistory } = await import('../rollout/show-rollout.js');
      const service = serviceOf(request);
      const [status, history] = await Promise.all([
        collect(io.env, io.interrupted, (own) => showStatus(service, flags, own)),
        collect(io.env, io.interrupted, (own) => showHistory(service, flags, own)),
      ]);
      // Without a rollout there is neither; anything else is told.
      if (status.error !== undefined && status.code === 1) return io.json(null);
      if (status.error !== undefined) return void (await showStatus(service, flags, io));
      io.json({ status: Array.isArray(status.result) ? status.result[0] : null, history: history.result });
    }),
    commandOperation('GET', '/overrides', settings, async (_, flags, io) => {
      await (await import('../override/overrides.js')).listOverrides(flags, io);
    }),
    commandOperation('GET', '/drills', settings, async (_, flags, io) => {
      await (await import('../drill/drills.js')).listDrills(flags, io);
    }),
    commandOperation('GET', '/lanes', settings, async (_, flags, io) => {
      await (await import('../lane/list-lanes.js')).listLanes(flags, io);
    }),
    commandOperation('GET', '/services/{service}/fleet', settings, async (request, flags, io) => {
      if (figures === null) return io.json(null);
      const service = parseService(serviceOf(request));
      await (await import('../fleet/report.js')).showFleetOf(service, { ...flags, ...sources }, io);
    }),
    commandOperation('GET', '/services/{service}/charts', settings, async (request, _, io) => {
      if (figures === null) return io.json(null);
      const now = systemClock.wallNow();
      if (prometheus === undefined) {
        const { chartsOfProcesses } = await import('./process-charts.js');
        return io.json(await chartsOfProcesses(url, serviceOf(request), now));
      }
      const { readCharts } = await import('./charts.js');
      io.json(await readCharts(prometheus, serviceOf(request), request.query.get('minutes'), now));
    }),
  ];
}

/** `policy get --json`, each document also as YAML, which is what people edit, and with what is wrong with it. */
async function showPolicy(service: string, flags: Parameters<typeof withStore>[0], io: CommandIo): Promise<void> {
  const [{ getPolicy, readable }, { judgeText }] = await Promise.all([
    import('../policy/read-policies.js'),
    import('../policy-files.js'),
  ]);
  const shown = await collect(io.env, io.interrupted, (own) => getPolicy(service, flags, own));
  if (shown.error !== undefined) return void (await getPolicy(service, flags, io));
  const { datacenters, ...rest } = shown.result as { readonly datacenters: readonly Record<string, unknown>[] };
  const rows = datacenters.map(({ document, ...row }) => {
    if (document === undefined) return row;
    const text = typeof document === 'string' ? document : readable(JSON.stringify(document));
    const { problems, warnings } = judgeText(text, service);
    return { ...row, document, yaml: text, problems, warnings };
  });
  io.json({ ...rest, datacenters: rows });
}
