import { isIP } from 'node:net';
import type { Instance } from '../../../base/instances';
import type { ChannelOptions } from '../../grpc/grpc-js';

/**
 * Under which name an endpoint is asked for (TLS server name, certificate, `:authority`). Undefined: the channel's,
 * which is the name of the service. Only where the operator has said which key of an instance's meta to believe.
 */
export interface ServerNames {
  of(instance: Instance): string | undefined;
  /** The `:authority` of calls that were given no other. */
  readonly channelAuthority: string;
}

const TARGET_NAME_OVERRIDE = 'grpc.ssl_target_name_override';
const HOST_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;

/** `options` are the channel's: what is said there about names, by whoever made the client, comes first. */
export function createServerNames(service: string, metaKey: string | undefined, options: ChannelOptions): ServerNames {
  const isSaid = options[TARGET_NAME_OVERRIDE] !== undefined || options['grpc.default_authority'] !== undefined;
  return {
    channelAuthority: service,
    of(instance) {
      if (metaKey === undefined || isSaid || !Object.hasOwn(instance.meta, metaKey)) return undefined;
      const name = instance.meta[metaKey] ?? '';
      // Neither a name nor worth a failure: the certificate is then checked against the channel's name.
      return HOST_NAME.test(name) && isIP(name) === 0 ? name : undefined;
    },
  };
}

/** What a subchannel is made with, so that TLS asks for this name and accepts no other. */
export function underName(options: ChannelOptions, name: string | undefined): ChannelOptions {
  return name === undefined ? options : { ...options, [TARGET_NAME_OVERRIDE]: name };
}
