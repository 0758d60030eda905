import { useState } from 'preact/hooks';
import type { Explanation } from '../../client/admin/explain';
import type { PageService } from '../../client/admin/page/page-view';
import { Badge, Notice } from '../kit/badge';
import { TextField } from '../kit/field';
import { requestJson } from '../kit/http';
import { formatMilliseconds, formatShare } from '../kit/i18n';
import { partClass } from '../kit/shares';
import { Card } from '../kit/shell';
import { Table } from '../kit/table';
import { detailOf, type ProcessState } from './state';
import { colorOf } from './traffic';
import { words as t } from './words';

interface ExplainProps {
  readonly state: ProcessState;
  readonly service: PageService;
}

/** Asks why a call would go where it would go, and lights its way. */
export function ExplainTab({ state, service }: ExplainProps) {
  const methods = (detailOf(state, 'methods') ?? []).map(({ method }) => method);
  const [method, setMethod] = useState<string>();
  const [labels, setLabels] = useState('');
  const [found, setFound] = useState<Explanation>();
  const [problem, setProblem] = useState<string>();
  const wanted = method ?? methods[0] ?? '';
  const bad = labels.split('\n').find((line) => line.trim() !== '' && !/^\s*[^=\s]+\s*=/.test(line));
  const ask = async (): Promise<void> => {
    const query = new URLSearchParams({ service: service.target, method: wanted });
    for (const line of labels.split('\n')) {
      const at = line.indexOf('=');
      if (at > 0) query.append(`label.${line.slice(0, at).trim()}`, line.slice(at + 1).trim());
    }
    try {
      setFound(await requestJson<Explanation>(`explain?${query}`));
      setProblem(undefined);
    } catch (error) {
      setFound(undefined);
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <div class="process-columns">
      <Card title={t('tab.explain')}>
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            void ask();
          }}
        >
          <p class="quiet">{t('explain.intro')}</p>
          <TextField
            label={t('explain.method')}
            hint={t('explain.methodHint')}
            value={wanted}
            onInput={setMethod}
            suggestions={methods}
            isMono
          />
          <TextField
            label={t('explain.labels')}
            hint={t('explain.labelsHint')}
            error={bad === undefined ? undefined : t('explain.badLabel', { line: bad })}
            value={labels}
            onInput={setLabels}
            rows={4}
            isMono
          />
          <div>
            <button type="submit" class="button primary" disabled={bad !== undefined}>
              {t('explain.ask')}
            </button>
          </div>
        </form>
      </Card>
      <div aria-live="polite">
        {problem !== undefined && <Notice tone="bad">{problem}</Notice>}
        {found !== undefined && <Way found={found} subsets={service.subsets} />}
      </div>
    </div>
  );
}

function Way({ found, subsets }: { readonly found: Explanation; readonly subsets: readonly string[] }) {
  const { routing, tiers, refusal } = found;
  const { decision } = routing;
  const first = tiers.findIndex(({ endpoints }) => endpoints.some(({ heldOut }) => heldOut === undefined));
  const labels = Object.entries(routing.labels);
  return (
    <Card title={t('explain.way')} aside={<code>{found.revision}</code>}>
      <div class="stack">
        {refusal !== undefined && (
          <Notice tone="bad">
            <strong>{t('explain.refusal')}</strong> {refusal}
          </Notice>
        )}
        <p class="row process-decided">
          <span class={`swatch ${partClass(colorOf(decision.subset, subsets))}`} />
          <strong>{t('explain.decided', { subset: decision.subset, by: `${decision.by} ${decision.route}` })}</strong>
        </p>
        <ol class="process-way">
          {routing.override?.inForce === true && (
            <li class="lit">
              <strong>{t('kind.override')}</strong>{' '}
              <span class="quiet">{[routing.override.by, routing.override.reason].filter(Boolean).join(': ')}</span>
            </li>
          )}
          {routing.routes.map(({ name, result, reason, split }) => (
            <li key={name} class={result === 'matched' ? 'lit' : result}>
              <span class="row">
                <strong>{name}</strong>
                <Badge tone={result === 'matched' ? 'accent' : 'quiet'}>{t(`explain.${result}`)}</Badge>
                {split?.map(({ to, percent }) => (
                  <span key={to} class="quiet">
                    {t('explain.split', { percent, to })}
                  </span>
                ))}
              </span>
              {reason !== undefined && <div class="quiet">{reason}</div>}
            </li>
          ))}
          {decision.by === 'default' && (
            <li class="lit">
              <strong>default</strong>
            </li>
          )}
          {tiers.map((tier, at) => (
            <TierStep
              key={`${tier.number} ${tier.subset} ${tier.datacenter} ${tier.kind}`}
              tier={tier}
              isLit={at === first}
            />
          ))}
          {first < 0 && <li class="lit-bad">{t('explain.nobody')}</li>}
        </ol>
        <dl class="process-facts">
          {labels.length > 0 && (
            <>
              <dt>{t('explain.labelsSeen')}</dt>
              <dd>
                {labels.map(([key, value]) => (
                  <div key={key}>
                    <code>{key}</code> {value === null ? <span class="quiet">{t('explain.absent')}</span> : value}
                  </div>
                ))}
              </dd>
            </>
          )}
          <dt>{t('explain.runs')}</dt>
          <dd>{decision.runs}</dd>
          {decision.timeoutMs !== undefined && (
            <>
              <dt>{t('explain.timeout')}</dt>
              <dd>{formatMilliseconds(decision.timeoutMs)}</dd>
            </>
          )}
        </dl>
        {routing.bucket !== undefined && (
          <p class="quiet">{routing.sticky ? t('explain.bucket', { bucket: routing.bucket }) : t('explain.chance')}</p>
        )}
      </div>
    </Card>
  );
}

type Tier = Explanation['tiers'][number];

function TierStep({ tier, isLit }: { readonly tier: Tier; readonly isLit: boolean }) {
  const { subset, datacenter, endpoints, keeps, shed } = tier;
  const serving = endpoints.filter(({ heldOut }) => heldOut === undefined).length;
  return (
    <li class={isLit ? 'lit' : 'missed'}>
      <span class="row">
        <strong>
          {subset}@{datacenter}
        </strong>
        <Badge tone={isLit ? 'accent' : 'quiet'}>{t(isLit ? 'explain.takes' : 'explain.standsBy')}</Badge>
        <span class="quiet">{t('explain.endpointsOf', { serving, all: endpoints.length })}</span>
        {keeps < 1 && <Badge tone="warn">{t('explain.keeps', { share: formatShare(keeps) })}</Badge>}
        {shed !== undefined && <Badge tone="bad">{shed.openedBecause ?? shed.state}</Badge>}
      </span>
      {isLit && (
        <Table
          label={`${subset}@${datacenter}`}
          columns={[
            { key: 'endpoint', label: t('endpoint'), render: ({ endpoint }) => <code>{endpoint}</code> },
            { key: 'instance', label: t('instance'), render: ({ instance }) => instance },
            {
              key: 'state',
              label: t('state'),
              render: ({ heldOut }) => (
                <span class="process-state">
                  <Badge tone={heldOut === undefined ? 'good' : 'warn'}>{heldOut ?? t('serves')}</Badge>
                </span>
              ),
            },
          ]}
          rows={endpoints}
          keyOf={({ endpoint, datacenter: place }) => `${place}/${endpoint}`}
          step={8}
        />
      )}
    </li>
  );
}
