import type * as grpc from '@grpc/grpc-js';
import type { GraylaneOptions } from '../../../../src/client/options';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../../src/index';
import type { MirrorDocument } from '../../../../src/policy/mirror-document';
import type { Closing } from '../../../support/closers';
import { type Metering, startMetering } from '../../../support/metering';
import {
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../../support/payments';

export interface WorldOptions {
  /** Of the one route, beside its name, `to` and `mirror`. */
  readonly route?: object;
  readonly policy?: object;
  readonly graylane?: Partial<GraylaneOptions>;
  /** Default: its own. Address of the canary. */
  readonly canaryPort?: number;
  readonly isReady?: boolean;
  readonly serverCredentials?: grpc.ServerCredentials;
  readonly credentials?: grpc.ChannelCredentials;
}

export interface MirrorWorld {
  readonly graylane: Graylane;
  readonly client: PaymentsClient;
  readonly canary: PaymentsServer;
  readonly stable: PaymentsServer;
  readonly metering: Metering;
  readonly logged: readonly string[];
  readonly document: PolicyDocument;
  readonly view: () => NonNullable<ReturnType<Graylane['inspect']>['services'][number]>['mirrors'][number] | undefined;
}

/** A stable and a canary server in this process, and a policy whose one route mirrors stable's calls to the canary. */
export async function mirrorWorld(
  opened: Closing,
  mirror: Partial<MirrorDocument> = {},
  options: WorldOptions = {},
): Promise<MirrorWorld> {
  const start = async (version: string): Promise<PaymentsServer> =>
    opened(await startPaymentsServer({ name: version, version }, '127.0.0.1', 0, options.serverCredentials), (one) =>
      one.kill(),
    );
  const [canary, stable] = [await start('canary'), await start('stable')];
  const document = {
    schema: 1,
    service: 'payments',
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
    default: 'stable',
    routes: [{ name: 'everyone', to: 'stable', mirror: { to: 'canary', ...mirror }, ...options.route }],
    ...options.policy,
  } as unknown as PolicyDocument;
  const metering = startMetering();
  const logged: string[] = [];
  const log = (message: string, fields?: object): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const ports = { canary: options.canaryPort ?? canary.port, stable: stable.port };
  const graylane = opened(
    createGraylane({
      instances: {
        payments: Object.entries(ports).map(([id, port]) => ({ address: '127.0.0.1', port, id, tags: [id] })),
      },
      policies: { payments: document },
      telemetry: { meterProvider: metering.provider },
      logger: { debug() {}, info() {}, warn: log, error: log },
      ...options.graylane,
    }),
    (one) => one.close(),
  );
  const client = opened(
    paymentsClient(graylane.target('payments'), graylane.clientOptions(), options.credentials),
    (one) => one.close(),
  );
  if (options.isReady !== false) await graylane.ready('payments');
  const view: MirrorWorld['view'] = () => graylane.inspect().services[0]?.mirrors[0];
  return { graylane, client, canary, stable, metering, logged, view, document };
}
