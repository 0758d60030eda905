import { expect, it } from 'vitest';
import { closeAfterEach } from '../../support/closers';
import { startScriptedConsul } from '../../support/scripted-consul';
import { openSource, record } from './recorder';

const opened = closeAfterEach();

it('says once that so many queries are open that Consul may refuse connections, and again when they were fewer', async () => {
  const scripted = opened(await startScriptedConsul(), (each) => each.stop());
  const bench = opened(openSource({ address: scripted.address }, ['dc1']), (each) => each.close());
  const warnings = (): readonly string[] =>
    bench.logger.lines.filter((line) => line.includes('http_max_conns_per_client'));
  const watch = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, at) => record(bench.source, `service-${from + at}`).watch);
  const all = watch(0, 159);
  expect(warnings()).toEqual([]);
  all.push(...watch(159, 170));
  expect(warnings()).toEqual([expect.stringContaining('"open":160,"limit":200')]);
  for (const each of all.splice(100)) each.close();
  watch(200, 261);
  expect(warnings()).toHaveLength(2);
});
