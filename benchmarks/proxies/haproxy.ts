import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { find, freePort, run, type StartProxy, versionOf } from './proxy';

export const startHaproxy: StartProxy = async (upstreams, directory) => {
  const program = find('haproxy');
  if (program === undefined) return undefined;
  const port = await freePort();
  const servers = upstreams.map(
    ({ address, weight }, index) => `  server s${index} ${address} proto h2 weight ${weight}`,
  );
  const file = join(directory, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
  tune.h2.max-concurrent-streams 1024
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:${port} proto h2
  default_backend payments
backend payments
  balance roundrobin
  http-reuse always
${servers.join('\n')}
`,
  );
  return run('HAProxy', versionOf(program, '-v'), port, program, ['-db', '-f', file]);
};
