import { systemClock } from '../../../../src/base/clock';
import { silentLogger } from '../../../../src/base/logger';
import { systemRandom } from '../../../../src/base/random';
import { createConsulSource } from '../../../../src/client/discovery/consul/source';
import { createConsulClient } from '../../../../src/consul/client';
import { parseConsulOptions } from '../../../../src/consul/options';

// Run as a process of its own: watches, closes with the queries in flight, and must then end without being told to.
const client = createConsulClient(parseConsulOptions({ address: process.argv[2] ?? '' }, {}), { clock: systemClock });
const source = createConsulSource(
  { client, datacenters: ['dc1', 'dc2'] },
  { clock: systemClock, random: systemRandom, logger: silentLogger },
);
let isClosing = false;
source.watch({ service: 'pay', tags: [] }, (state) => {
  if (isClosing || state.datacenters.some((one) => !one.known)) return;
  isClosing = true;
  console.log(`instances ${state.datacenters[1]?.instances.length}`);
  setTimeout(() => {
    source.close();
    client.close();
    console.log('closed');
    setTimeout(() => process.exit(9), 3000).unref();
  }, 100);
});
