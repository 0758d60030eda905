import * as grpc from '@grpc/grpc-js';
import { createGraylane, type PolicyDocument } from '../../../src/index';
import type { Algorithm } from '../../../src/policy/document';
import { untilReady } from '../../support/until-ready';
import { ALGORITHMS } from './scenes';
import { NeverWorseClient } from './service';

export interface Caller {
  /** The algorithm, or `PLAIN`. */
  readonly name: string;
  readonly client: grpc.Client;
  /** Every instance is connected. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** grpc-js alone, `round_robin`. */
export const PLAIN = 'grpc-js';
/** The label by which `ring_hash` knows its users. */
export const USER_KEY = 'x-user';
const READY_MS = 20_000;

/** A client of each algorithm, and a plain one; none of them shares connections with another, and none retries. */
export function openCallers(ports: readonly number[]): Caller[] {
  return [openPlain(ports), ...ALGORITHMS.map((algorithm) => openGraylane(algorithm, ports))];
}

function openGraylane(algorithm: Algorithm, ports: readonly number[]): Caller {
  const balancing = algorithm === 'ring_hash' ? { algorithm, hashBy: USER_KEY } : { algorithm };
  const policy: PolicyDocument = { schema: 1, service: 'field', balancing };
  const graylane = createGraylane({
    instances: { field: ports.map((port) => ({ id: String(port), address: '127.0.0.1', port })) },
    policies: { field: policy },
    telemetry: false,
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    closeTimeoutMs: 0,
  });
  const client = open(graylane.target('field'), graylane.clientOptions({ 'grpc.primary_user_agent': algorithm }));
  return {
    name: algorithm,
    client,
    ready: async () => {
      client.getChannel().getConnectivityState(true);
      const isConnected = (): boolean =>
        graylane.inspect().services[0]?.endpoints.every(({ connections }) => connections.includes('ready')) ?? false;
      const untilMs = performance.now() + READY_MS;
      while (!isConnected()) {
        if (performance.now() > untilMs) throw new Error(`${algorithm}: not every instance was connected`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    close: async () => {
      client.close();
      await graylane.close();
    },
  };
}

function openPlain(ports: readonly number[]): Caller {
  const client = open(`ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(',')}`, {
    'grpc.primary_user_agent': PLAIN,
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  });
  return {
    name: PLAIN,
    client,
    ready: () => untilReady(client, READY_MS),
    close: async () => client.close(),
  };
}

function open(target: string, options: grpc.ClientOptions): grpc.Client {
  return new NeverWorseClient(target, grpc.credentials.createInsecure(), options) as unknown as grpc.Client;
}
