import { isIP } from 'node:net';
import type { Instance } from '../../../base/instances';
import type { ChannelOptions } from '../../grpc/grpc-js';

const TARGET_NAME_OVERRIDE = 'grpc.ssl_target_name_override';
const HOST_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;

interface NamingRules {
  readonly authorityMetaKey: string | undefined;
  /** The channel's. */
  readonly options: ChannelOptions;
}

/**
 * Under which name an endpoint is asked for (TLS server name, certificate, `:authority`). Undefined: the channel's,
 * which is the name of the service. Only where the operator has said which key of an instance's meta to believe, and
 * whoever made the client says nothing about names in the channel's options.
 */
export function serverNameOf(
  { meta }: Instance,
  { authorityMetaKey: metaKey, options }: NamingRules,
): string | undefined {
  const isSaid = options[TARGET_NAME_OVERRIDE] !== undefined || options['grpc.default_authority'] !== undefined;
  if (metaKey === undefined || isSaid || !Object.hasOwn(meta, metaKey)) return undefined;
  const name = meta[metaKey] ?? '';
  // Neither a name nor worth a failure: the certificate is then checked against the channel's name.
  return HOST_NAME.test(name) && isIP(name) === 0 ? name : undefined;
}

/** What a subchannel is made with, so that TLS asks for this name and accepts no other. */
export function underName(options: ChannelOptions, name: string | undefined): ChannelOptions {
  return name === undefined ? options : { ...options, [TARGET_NAME_OVERRIDE]: name };
}
