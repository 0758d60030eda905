import { useId, useState } from 'preact/hooks';
import type { PolicyDocument, SplitEntryDocument } from '../../policy/document';
import { describeDestination } from '../../policy/places/destination';
import { Notice } from '../kit/badge';
import { ShareBar, ShareLegend } from '../kit/shares';
import { Card } from '../kit/shell';
import { Refusal } from './access';
import type { Change, PolicyTold } from './answers';
import { ofService, useAsked } from './api';
import { ApplyRow, ChangeView, CheckedWriteDialog } from './change';
import { useChecked } from './checked';
import { words as t } from './words';

const LOOK_MS = 10_000;

/** What is dragged: one subset of one route gets so many percent, the others share the rest. */
interface Dragged {
  readonly route: string;
  readonly subset: string;
  readonly percent: number;
}

/** The splits of the policy, with a slider for each share. */
export function WeightsCard({ service }: { readonly service: string }) {
  const { told, refused, reload } = useAsked<PolicyTold>(ofService(service, 'policy'), LOOK_MS);
  const [dragged, setDragged] = useState<Dragged | undefined>();
  const [isWriting, setWriting] = useState(false);
  const asked = useChecked<readonly Change[]>(ofService(service, 'weight/check'), dragged);
  if (refused !== undefined && told === undefined) return refused.status === 404 ? null : <Refusal refused={refused} />;
  const [row] = told?.result.datacenters ?? [];
  const document = typeof row?.document === 'object' ? row.document : undefined;
  const split = (document?.routes ?? []).filter((route) => (route.split ?? []).length > 1);
  if (document === undefined || split.length === 0) return null;
  const changes = asked.told?.result ?? [];
  const from = changes[0]?.from;
  return (
    <Card title={t('weights')} aside={told?.result.diverging === true ? t('diverging') : undefined}>
      <div class="stack">
        {split.map((route) => (
          <RouteWeights
            key={route.name}
            document={document}
            name={route.name}
            split={route.split ?? []}
            dragged={dragged?.route === route.name ? dragged : undefined}
            onDrag={(subset, percent) => setDragged({ route: route.name, subset, percent })}
          />
        ))}
        {asked.refused !== undefined && <Refusal refused={asked.refused} />}
        {dragged !== undefined && (
          <div class="stack" aria-live="polite">
            {asked.told?.error !== undefined && changes.length === 0 && (
              <Notice tone="bad">{asked.told.error.message}</Notice>
            )}
            {changes.map((change) => (
              <ChangeView key={change.datacenter} change={change} isSeveral={changes.length > 1} />
            ))}
            <ApplyRow
              canApply={changes.length > 0 && !asked.isLoading}
              onApply={() => setWriting(true)}
              onReset={() => setDragged(undefined)}
            />
          </div>
        )}
      </div>
      {isWriting && dragged !== undefined && (
        <CheckedWriteDialog
          title={t('weightTo', { subset: dragged.subset, percent: dragged.percent })}
          verb={t('apply')}
          flags={['force', 'allowReshuffle']}
          asked={asked}
          write={{
            method: 'PUT',
            path: ofService(service, 'weight'),
            body: { ...dragged, ...(typeof from === 'string' && changes.length === 1 ? { ifRevision: from } : {}) },
          }}
          onClose={() => setWriting(false)}
          onDone={() => {
            setDragged(undefined);
            reload();
          }}
        />
      )}
    </Card>
  );
}

function RouteWeights(props: {
  readonly document: PolicyDocument;
  readonly name: string;
  readonly split: readonly SplitEntryDocument[];
  readonly dragged: Dragged | undefined;
  readonly onDrag: (subset: string, percent: number) => void;
}) {
  const { document, name, split, dragged, onDrag } = props;
  const total = split.reduce((sum, { weight }) => sum + weight, 0);
  const shares = split.map(({ to, weight }, part) => {
    return { label: describeDestination(to, document), amount: total === 0 ? 0 : (weight / total) * 100, part };
  });
  const shown = dragged === undefined ? shares : sharesAfter(shares, dragged, document.default);
  return (
    <section class="stack" aria-label={t('routeNamed', { route: name })}>
      <h3>{t('routeNamed', { route: name })}</h3>
      <ShareBar label={name} parts={shown} isTall />
      <ShareLegend parts={shown} />
      {shown.map(({ label, amount }) => {
        // With two, one slider says it all: the one that is not the usual.
        if (shown.length === 2 && label === (document.default ?? shown[0]?.label)) return null;
        return <WeightSlider key={label} subset={label} percent={amount} onDrag={(value) => onDrag(label, value)} />;
      })}
    </section>
  );
}

/** As it will be; the answer of the check says it exactly. */
function sharesAfter(
  shares: readonly { readonly label: string; readonly amount: number; readonly part: number }[],
  { subset, percent }: Dragged,
  base: string | undefined,
): typeof shares {
  const others = shares.filter(({ label }) => label !== subset);
  const sum = others.reduce((total, { amount }) => total + amount, 0);
  const heir = others.find(({ label }) => label === base) ?? others[0];
  return shares.map((share) => {
    if (share.label === subset) return { ...share, amount: percent };
    const part = sum > 0 ? share.amount / sum : Number(share === heir);
    return { ...share, amount: part * (100 - percent) };
  });
}

function WeightSlider(props: {
  readonly subset: string;
  readonly percent: number;
  readonly onDrag: (percent: number) => void;
}) {
  const { subset, percent, onDrag } = props;
  const id = useId();
  const rounded = Math.round(percent * 100) / 100;
  const set = (text: string): void => {
    const value = Number(text);
    if (text !== '' && value >= 0 && value <= 100) onDrag(Math.round(value * 100) / 100);
  };
  return (
    <div class="team-slider">
      <label for={id}>{subset}</label>
      <input
        id={id}
        type="range"
        min="0"
        max="100"
        step="1"
        value={rounded}
        onInput={(event) => set(event.currentTarget.value)}
      />
      <input
        class="input"
        type="number"
        min="0"
        max="100"
        step="0.01"
        aria-label={t('percentOf', { subset })}
        value={rounded}
        onInput={(event) => set(event.currentTarget.value)}
      />
      <span>%</span>
    </div>
  );
}
