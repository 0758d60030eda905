/** What a test asks of one agent over HTTP. Every call rejects with Consul's own words when it is refused. */
export interface ConsulApi {
  /** `http://host:port` */
  readonly address: string;
  register(service: ServiceRegistration): Promise<void>;
  deregister(id: string): Promise<void>;
  setStatus(id: string, status: CheckStatus): Promise<void>;
  setMaintenance(id: string, enabled: boolean): Promise<void>;
  putKv(key: string, value: string | Buffer): Promise<void>;
  deleteKv(key: string): Promise<void>;
  /** A token with these ACL rules (HCL); only with `acl: true`. */
  createToken(rules: string): Promise<{ readonly accessor: string; readonly secret: string }>;
  deleteToken(accessor: string): Promise<void>;
  /** Anything else, `path` beginning with /v1. */
  request(method: string, path: string, body?: unknown): Promise<Response>;
}

type CheckStatus = 'passing' | 'warning' | 'critical';

interface ServiceRegistration {
  readonly name: string;
  /** Default: the name. */
  readonly id?: string;
  /** Left out: Consul answers with an empty one, meaning the node's. */
  readonly address?: string;
  readonly port: number;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly weights?: { readonly passing: number; readonly warning: number };
  /** Default: passing. */
  readonly status?: CheckStatus;
  /** Further fields of Consul's registration, such as `Kind` and `Proxy`. */
  readonly more?: Readonly<Record<string, unknown>>;
}

const TIME_LIMIT_MS = 5000;

export function createConsulApi(address: string, token: string | undefined): ConsulApi {
  const request = async (method: string, path: string, body?: unknown): Promise<Response> => {
    const init: RequestInit = { method, signal: AbortSignal.timeout(TIME_LIMIT_MS) };
    if (token !== undefined) init.headers = { 'x-consul-token': token };
    if (body !== undefined) {
      init.body = typeof body === 'string' ? body : Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body);
    }
    const response = await fetch(address + path, init);
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  const put = async (path: string, body?: unknown): Promise<void> => {
    await (await request('PUT', path, body)).arrayBuffer();
  };
  return {
    address,
    request,
    register: (service) => put('/v1/agent/service/register', registration(service)),
    async deregister(id) {
      try {
        await put(`/v1/agent/service/deregister/${id}`);
      } catch (error) {
        // One that is not there: Consul 1.8 answers 200, newer ones 404.
        if (!/: 404 /.test(String(error))) throw error;
      }
    },
    setStatus: (id, Status) => put(`/v1/agent/check/update/service:${id}`, { Status }),
    setMaintenance: (id, enabled) => put(`/v1/agent/service/maintenance/${id}?enable=${enabled}`),
    putKv: (key, value) => put(`/v1/kv/${key}`, value),
    deleteKv: async (key) => {
      await (await request('DELETE', `/v1/kv/${key}`)).arrayBuffer();
    },
    createToken: async (rules) => {
      const name = `p${Math.random().toString(36).slice(2)}`;
      const policy = await request('PUT', '/v1/acl/policy', { Name: name, Rules: rules });
      const { ID } = (await policy.json()) as { ID: string };
      const made = await request('PUT', '/v1/acl/token', { Policies: [{ ID }] });
      const { AccessorID, SecretID } = (await made.json()) as { AccessorID: string; SecretID: string };
      return { accessor: AccessorID, secret: SecretID };
    },
    deleteToken: async (accessor) => {
      await (await request('DELETE', `/v1/acl/token/${accessor}`)).arrayBuffer();
    },
  };
}

function registration(service: ServiceRegistration): Record<string, unknown> {
  return {
    Name: service.name,
    ID: service.id ?? service.name,
    Port: service.port,
    Check: { Name: 'set by the test', TTL: '10h', Status: service.status ?? 'passing' },
    ...(service.address === undefined ? {} : { Address: service.address }),
    ...(service.tags === undefined ? {} : { Tags: service.tags }),
    ...(service.meta === undefined ? {} : { Meta: service.meta }),
    ...(service.weights === undefined
      ? {}
      : { Weights: { Passing: service.weights.passing, Warning: service.weights.warning } }),
    ...service.more,
  };
}
