/**
 * Answers in the shapes of Consul 1.9 to 1.22, written from the public Go types (`github.com/hashicorp/consul/api`) and the
 * documentation, not recorded: for each minor version what a server of it sends for one service with its config entries.
 * Those of 1.14 were held against the answers of a real 1.14.11; what Enterprise alone sends is in them besides.
 */
export const MINORS = [9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22] as const;

export type Minor = (typeof MINORS)[number];

export type Json = Readonly<Record<string, unknown>>;

export interface Shapes {
  /** `/v1/health/service/payments`: `payments-1` passing, `payments-2` with a warning. */
  readonly health: readonly Json[];
  /** `/v1/health/service/payments?peer=cloud`; from 1.13 on. */
  readonly peerHealth: readonly Json[] | undefined;
  /** `/v1/catalog/services`. */
  readonly services: Json;
  readonly catalog: readonly Json[];
  /** `/v1/discovery-chain/payments`, the chain itself. */
  readonly chain: Json;
  /** `/v1/config/service-resolver/payments` and its kin, by kind. */
  readonly entries: Readonly<Record<string, Json>>;
  /** `/v1/agent/self`. */
  readonly self: Json;
}

/** What each version brought; field and version as in the API module that was released with it. */
export function shapesOf(minor: Minor): Shapes {
  const since = (first: number, fields: Json): Json => (minor >= first ? fields : {});
  const inPartition = since(11, { Namespace: 'default', Partition: 'default' });
  const index = { CreateIndex: 14, ModifyIndex: 20 };

  const node = (name: string, more: Json = {}): Json => ({
    ID: '9e2d54c3-1f0a-4b5e-8c1d-2f1f3a5b6c7d',
    Node: name,
    Address: '10.0.0.9',
    Datacenter: 'dc1',
    TaggedAddresses: { lan: '10.0.0.9', lan_ipv4: '10.0.0.9', wan: '203.0.113.9', wan_ipv4: '203.0.113.9' },
    Meta: { 'consul-network-segment': '', ...since(16, { 'consul-version': `1.${minor}.3` }) },
    ...since(11, { Partition: 'default' }),
    ...since(16, { Locality: { Region: 'eu-north-1', Zone: 'eu-north-1b' } }),
    ...index,
    ...more,
  });

  const check = (id: string, service: string, status: string): Json => ({
    Node: 'node-1',
    CheckID: id,
    Name: id,
    Status: status,
    Notes: '',
    Output: 'gRPC check 10.0.0.1:50051: success',
    ServiceID: service,
    ServiceName: service === '' ? '' : 'payments',
    ServiceTags: service === '' ? [] : ['stable'],
    Type: service === '' ? '' : 'grpc',
    Definition: {},
    ...since(10, { Interval: '5s', Timeout: '2s', ExposedPort: 0 }),
    ...since(11, { Namespace: 'default', Partition: 'default' }),
    ...index,
  });

  const service = (id: string, address: string, more: Json = {}): Json => ({
    ID: id,
    Service: 'payments',
    Tags: ['stable'],
    Address: address,
    TaggedAddresses: {
      lan_ipv4: { Address: address, Port: 50_051 },
      wan_ipv4: { Address: address, Port: 50_051 },
      // What only a transparent proxy can reach.
      ...since(11, { 'consul-virtual': { Address: '240.0.0.1', Port: 50_051 } }),
    },
    Meta: { version: 'v1' },
    // Several ports take the place of the one.
    Port: minor >= 22 ? 0 : 50_051,
    ...since(22, {
      Ports: [
        { Name: 'metrics', Port: 9090, Default: false },
        { Name: 'grpc', Port: 50_051, Default: true },
      ],
    }),
    ...since(10, { SocketPath: '' }),
    Weights: { Passing: 3, Warning: 1 },
    EnableTagOverride: false,
    Proxy: {
      MeshGateway: {},
      Expose: {},
      ...since(10, { Mode: '', TransparentProxy: {} }),
      ...since(15, { EnvoyExtensions: [{ Name: 'builtin/lua', Required: false, Arguments: { Script: '' } }] }),
    },
    Connect: {},
    ...since(13, { PeerName: '' }),
    ...inPartition,
    ...since(16, { Locality: { Region: 'eu-north-1', Zone: 'eu-north-1a' } }),
    // A field that no version has had so far.
    Tomorrow: { Field: [1, null, { Deep: true }] },
    ...index,
    ...more,
  });

  const health = [
    {
      Node: node('node-1'),
      Service: service('payments-1', '10.0.0.1'),
      Checks: [check('serfHealth', '', 'passing'), check('service:payments-1', 'payments-1', 'passing')],
    },
    {
      Node: node('node-2'),
      // Without an address of its own, and without a locality: its node's.
      Service: service('payments-2', '', { Locality: undefined }),
      Checks: [check('serfHealth', '', 'passing'), check('service:payments-2', 'payments-2', 'warning')],
    },
  ];

  const ofPeer = {
    Node: node('node-1', { PeerName: 'cloud', Partition: undefined }),
    Service: service('payments-9', '10.9.0.1', { PeerName: 'cloud', Partition: undefined }),
    Checks: [{ ...check('service:payments-9', 'payments-9', 'passing'), PeerName: 'cloud' }],
  };

  return {
    health,
    peerHealth: minor >= 13 ? [ofPeer] : undefined,
    services: { consul: [], payments: ['stable'] },
    catalog: health.map(({ Node, Service }) => catalogEntry(Node, Service, minor)),
    chain: chainOf(minor),
    entries: entriesOf(minor),
    self: {
      Config: {
        Datacenter: 'dc1',
        NodeName: 'node-1',
        NodeID: '9e2d54c3-1f0a-4b5e-8c1d-2f1f3a5b6c7d',
        Server: true,
        Revision: 'abc12345',
        Version: `1.${minor}.3`,
        ...since(11, { Partition: 'default', PrimaryDatacenter: 'dc1' }),
        ...since(14, { BuildDate: '2026-01-01T00:00:00Z' }),
      },
      DebugConfig: { ConnectEnabled: true },
      Coord: { Adjustment: 0, Error: 1.5, Height: 0.00001, Vec: [0, 0] },
      Member: { Name: 'node-1', Addr: '10.0.0.9', Port: 8301, Tags: { dc: 'dc1', role: 'consul' }, Status: 1 },
      Meta: { 'consul-network-segment': '', zone: 'eu-north-1a' },
      xDS: {
        SupportedProxies: { envoy: ['1.22.0'] },
        Port: 8502,
        ...since(14, { Ports: { Plaintext: 8502, TLS: 8503 } }),
      },
    },
  };
}

function catalogEntry(node: Json, service: Json, minor: Minor): Json {
  return {
    ID: node['ID'],
    Node: node['Node'],
    Address: node['Address'],
    Datacenter: node['Datacenter'],
    TaggedAddresses: node['TaggedAddresses'],
    NodeMeta: node['Meta'],
    ServiceKind: '',
    ServiceID: service['ID'],
    ServiceName: service['Service'],
    ServiceTags: service['Tags'],
    ServiceAddress: service['Address'],
    ServicePort: service['Port'],
    ServiceTaggedAddresses: service['TaggedAddresses'],
    ServiceEnableTagOverride: false,
    ServiceProxy: service['Proxy'],
    ServiceConnect: {},
    ...(minor >= 10 ? { ServiceSocketPath: '' } : {}),
    CreateIndex: service['CreateIndex'],
    ModifyIndex: service['ModifyIndex'],
    ServiceMeta: service['Meta'],
    ServiceWeights: service['Weights'],
    ...(minor >= 11 ? { Partition: 'default', Namespace: 'default' } : {}),
    ...(minor >= 16 ? { ServiceLocality: service['Locality'] } : {}),
    ...(minor >= 22 ? { ServicePorts: service['Ports'] } : {}),
  };
}

/** A router before a splitter before resolvers, one of which falls over: to dc2, and from 1.14 on to a peer. */
function chainOf(minor: Minor): Json {
  // Admin partitions came into the names with 1.11.
  const scope = minor >= 11 ? 'default.default' : 'default';
  const name = `payments.${scope}`;
  const id = (subset: string, place: string): string => `${subset}.${name}.${place}`;
  const inPartition = minor >= 11 ? { Namespace: 'default', Partition: 'default' } : { Namespace: 'default' };
  const target = (subset: string, place: Json, key: string): readonly [string, Json] => [
    key,
    {
      ID: key,
      Service: 'payments',
      ServiceSubset: subset,
      ...inPartition,
      ...place,
      MeshGateway: {},
      Subset: { Filter: `Service.Meta.version == ${subset}` },
      SNI: `${subset}.payments.default.dc1.internal.trust.consul`,
      Name: `${subset}.payments.default.dc1.internal.trust.consul`,
      ...(minor >= 10 ? { TransparentProxy: {} } : {}),
      ...(minor >= 14 ? { ConnectTimeout: '5s' } : {}),
      ...(minor >= 16 ? { Locality: { Region: 'eu-north-1', Zone: '' } } : {}),
      ...(minor >= 16 && subset === 'v2' ? { PrioritizeByLocality: { Mode: 'failover' } } : {}),
    },
  ];
  const peer = `v1.payments.${minor >= 16 ? 'default' : 'default.default'}.external.cloud`;
  const failover = [id('v1', 'dc2'), ...(minor >= 14 ? [peer] : [])];
  const resolver = (subset: string, more: Json = {}): readonly [string, Json] => [
    `resolver:${id(subset, 'dc1')}`,
    {
      Type: 'resolver',
      Name: id(subset, 'dc1'),
      Resolver: { ConnectTimeout: '5s', Target: id(subset, 'dc1'), ...requestTimeout(minor, subset), ...more },
    },
  ];
  return {
    ServiceName: 'payments',
    Namespace: 'default',
    ...(minor >= 11 ? { Partition: 'default' } : {}),
    Datacenter: 'dc1',
    Protocol: 'grpc',
    ...(minor >= 12 ? { ServiceMeta: { team: 'shop' } } : {}),
    ...(minor >= 15 ? { EnvoyExtensions: [{ Name: 'builtin/lua', Arguments: { Script: '' } }] } : {}),
    ...(minor >= 16 ? { AutoVirtualIPs: ['240.0.0.1'], ManualVirtualIPs: [] } : {}),
    ...(minor >= 14 ? { Default: false } : {}),
    StartNode: `router:${name}`,
    Nodes: {
      [`router:${name}`]: {
        Type: 'router',
        Name: name,
        Routes: [
          {
            Definition: {
              Match: { HTTP: { PathExact: '/shop.v1.Payments/Charge' } },
              Destination: { ServiceSubset: 'v2', RequestTimeout: '1.5s', ...(minor >= 11 ? inPartition : {}) },
            },
            NextNode: `resolver:${id('v2', 'dc1')}`,
          },
          {
            Definition: { Match: { HTTP: { PathPrefix: '/' } }, Destination: { Service: 'payments' } },
            NextNode: `splitter:${name}`,
          },
        ],
      },
      [`splitter:${name}`]: {
        Type: 'splitter',
        Name: name,
        Splits: [
          {
            Weight: 90,
            NextNode: `resolver:${id('v1', 'dc1')}`,
            ...(minor >= 12 ? { Definition: { Weight: 90, ServiceSubset: 'v1' } } : {}),
          },
          {
            Weight: 10,
            NextNode: `resolver:${id('v2', 'dc1')}`,
            ...(minor >= 12 ? { Definition: { Weight: 10, ServiceSubset: 'v2' } } : {}),
          },
        ],
      },
      ...Object.fromEntries([
        resolver('v1', {
          Failover: { Targets: failover, ...(minor >= 16 ? { Policy: { Mode: 'sequential' } } : {}) },
        }),
        resolver('v2'),
      ]),
    },
    Targets: Object.fromEntries([
      target('v1', { Datacenter: 'dc1' }, id('v1', 'dc1')),
      target('v1', { Datacenter: 'dc2' }, id('v1', 'dc2')),
      ...(minor >= 14 ? [target('v1', { Peer: 'cloud', Datacenter: '' }, peer)] : []),
      target('v2', { Datacenter: 'dc1' }, id('v2', 'dc1')),
    ]),
  };
}

/** From 1.14.11 on; nanoseconds, unlike `ConnectTimeout` beside it. */
function requestTimeout(minor: Minor, subset: string): Json {
  return minor < 14 || subset !== 'v2' ? {} : { RequestTimeout: 2_500_000_000 };
}

function entriesOf(minor: Minor): Readonly<Record<string, Json>> {
  const index = { CreateIndex: 30, ModifyIndex: 31, ...(minor >= 20 ? { Hash: 1234567890123456 } : {}) };
  const named = { Name: 'payments', ...(minor >= 11 ? { Partition: 'default', Namespace: 'default' } : {}) };
  return {
    'service-resolver': {
      Kind: 'service-resolver',
      ...named,
      Subsets: { v1: { Filter: 'Service.Meta.version == v1' }, v2: { Filter: 'Service.Meta.version == v2' } },
      Failover: {
        v1: minor >= 14 ? { Targets: [{ Datacenter: 'dc2' }, { Peer: 'cloud' }] } : { Datacenters: ['dc2'] },
        ...(minor >= 16 ? { '*': { SamenessGroup: 'shops' } } : {}),
      },
      ConnectTimeout: '5s',
      ...(minor >= 14 ? { RequestTimeout: '2.5s' } : {}),
      ...(minor >= 16 ? { PrioritizeByLocality: { Mode: 'failover' } } : {}),
      ...index,
    },
    'service-splitter': {
      Kind: 'service-splitter',
      ...named,
      Splits: [
        { Weight: 90, ServiceSubset: 'v1' },
        { Weight: 10, ServiceSubset: 'v2' },
      ],
      ...index,
    },
    'service-router': {
      Kind: 'service-router',
      ...named,
      Routes: [
        {
          Match: { HTTP: { PathExact: '/shop.v1.Payments/Charge' } },
          Destination: { ServiceSubset: 'v2', RequestTimeout: '1.5s' },
        },
      ],
      ...index,
    },
    'service-defaults': {
      Kind: 'service-defaults',
      ...named,
      Protocol: 'grpc',
      MeshGateway: {},
      Expose: {},
      ...(minor >= 10 ? { TransparentProxy: {} } : {}),
      ...(minor >= 15 ? { EnvoyExtensions: [{ Name: 'builtin/lua', Arguments: { Script: '' } }] } : {}),
      ...index,
    },
  };
}
