import { isRecord } from '../../base/is-record';
import { parseStored } from '../../ops/store/policy-store';
import type { OverrideDocument } from '../../policy/document';
import { parseTimestamp } from '../../policy/override';
import { ownValue } from '../../policy/plain-data';
import type { ConsulFlags } from '../consul/consul-connection';
import { nameOf, withStore } from '../consul/store-session';
import type { CommandIo } from '../io';
import { describeOverride } from './change-overrides';

interface Listed {
  readonly service: string;
  readonly datacenter: string;
  readonly inForce: boolean;
  /** Until it ends; negative once it has. */
  readonly remainingMs: number;
  readonly override: OverrideDocument;
}

/** `override list`. */
export async function listOverrides(flags: ConsulFlags & { readonly json?: boolean }, io: CommandIo): Promise<void> {
  await withStore(flags, io, async ({ store, datacenters }) => {
    const listed: Listed[] = [];
    for (const datacenter of datacenters) {
      for (const service of await store.services(datacenter)) {
        const { policy } = await store.read(service, datacenter);
        const override = ownValue(parseStored(policy?.text ?? ''), 'override');
        if (!isRecord(override)) continue;
        const until = parseTimestamp(String(ownValue(override, 'until')));
        const remainingMs = (until ?? 0) - Date.now();
        const written = override as unknown as OverrideDocument;
        listed.push({
          service,
          datacenter: nameOf(datacenter),
          inForce: remainingMs > 0,
          remainingMs,
          override: written,
        });
      }
    }
    if (flags.json === true) {
      io.json(listed);
      return;
    }
    if (listed.length === 0) {
      io.line('no overrides');
      return;
    }
    await io.table(
      ['service', 'written in', 'override', 'ends', 'by', 'reason'],
      listed.map(({ service, datacenter, inForce, remainingMs, override }) => [
        service,
        datacenter,
        describeOverride(override),
        inForce ? `in ${Math.ceil(remainingMs / 60_000)} min` : 'ended',
        override.by ?? '',
        override.reason ?? '',
      ]),
    );
  });
}
