import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { find, freePort, run, type StartProxy, versionOf } from './proxy';

/** One worker, as it shares two cores with everybody; connections to the upstreams are kept. */
export const startNginx: StartProxy = async (upstreams, directory) => {
  const program = find('nginx');
  if (program === undefined) return undefined;
  const port = await freePort();
  const home = join(directory, 'nginx');
  mkdirSync(home);
  const servers = upstreams.map(({ address, weight }) => `server ${address} weight=${weight} max_fails=0;`).join('\n');
  const file = join(home, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off;
worker_processes 1;
pid ${join(home, 'pid')};
error_log ${join(home, 'error.log')} error;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${home};
  proxy_temp_path ${home};
  fastcgi_temp_path ${home};
  uwsgi_temp_path ${home};
  scgi_temp_path ${home};
  upstream payments {
    ${servers}
    keepalive 512;
    keepalive_requests 1000000;
  }
  server {
    listen 127.0.0.1:${port} http2;
    http2_max_requests 100000000;
    keepalive_requests 100000000;
    http2_max_concurrent_streams 1024;
    location / { grpc_pass grpc://payments; }
  }
}
`,
  );
  return run('nginx', versionOf(program, '-v'), port, program, ['-e', join(home, 'error.log'), '-p', home, '-c', file]);
};
