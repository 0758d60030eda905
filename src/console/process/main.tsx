import { useEffect, useState } from 'preact/hooks';
import { Badge, Notice } from '../kit/badge';
import { type StreamState, streamEvents } from '../kit/http';
import { routeHref, useRoute } from '../kit/router';
import { mountPage, Shell } from '../kit/shell';
import { Tabs } from '../kit/tabs';
import { EndpointsTab } from './endpoints';
import { ExplainTab } from './explain';
import { Notices } from './notices';
import { NowTab } from './now';
import { Overview } from './overview';
import { PolicyTab } from './policy';
import { afterEvent, clientOf, NOTHING, type ProcessState, servicesOf } from './state';
import { words as t } from './words';

/** The state of the process, in detail of one service. Begins anew when that changes. */
function useProcess(target: string | undefined): { readonly state: ProcessState; readonly stream: StreamState } {
  const [state, setState] = useState<ProcessState>(NOTHING);
  const [stream, setStream] = useState<StreamState>({ kind: 'waiting' });
  useEffect(() => {
    const search = target === undefined ? '' : `?${new URLSearchParams({ service: target })}`;
    return streamEvents(`stream${search}`, {
      onEvent: (event, data) => setState((before) => afterEvent(before, event, data)),
      onState: setStream,
    });
  }, [target]);
  return { state, stream };
}

function ProcessPage() {
  const { path, query } = useRoute();
  const target = path[0] === 'services' ? path[1] : undefined;
  const { state, stream } = useProcess(target);
  const client = clientOf(state);
  const about = (
    <span class="row">
      {client !== undefined && (
        <span>{t('about.process', { client: client.client, pid: client.pid, version: client.version })}</span>
      )}
      {stream.kind === 'live' && <Badge tone="good">{t('live')}</Badge>}
      {stream.kind === 'waiting' && <Badge tone="warn">{t('waiting')}</Badge>}
      {stream.kind === 'refused' && <Badge tone="bad">{t('refused', { why: stream.why })}</Badge>}
    </span>
  );
  const name = servicesOf(state).find((each) => each.target === target)?.service;
  return (
    <Shell title={name ?? client?.client ?? t('title')} place={target ?? ''} about={about}>
      {target === undefined ? (
        <Overview state={state} />
      ) : (
        <ServicePage state={state} target={target} tab={query['tab'] ?? 'now'} />
      )}
    </Shell>
  );
}

const TABS = ['now', 'endpoints', 'policy', 'explain'] as const;

function ServicePage({ state, target, tab }: { state: ProcessState; target: string; tab: string }) {
  const service = servicesOf(state).find((each) => each.target === target);
  if (clientOf(state) === undefined) return <p class="quiet">{t('waiting')}</p>;
  if (service === undefined) {
    return (
      <>
        <BackLink />
        <Notice tone="warn">{t('noSuchService')}</Notice>
      </>
    );
  }
  const { revision, origin } = service;
  const tabs = TABS.map((id) => ({
    id,
    label: t(`tab.${id}`),
    href: routeHref(['services', target], id === 'now' ? {} : { tab: id }),
  }));
  return (
    <>
      <div class="row process-title">
        <BackLink />
        <h1>{service.service}</h1>
        <span class="quiet">
          {revision === undefined || revision === 'none' ? t('noPolicy') : <code>{revision}</code>}{' '}
          {origin !== undefined && origin !== 'none' && t('origin', { origin })}
        </span>
        <span class="quiet">{service.datacenters.join(', ')}</span>
      </div>
      <Notices notices={service.notices} />
      <Tabs label={t('tabs')} tabs={tabs} current={tab} />
      {tab === 'now' && <NowTab state={state} service={service} />}
      {tab === 'endpoints' && <EndpointsTab state={state} />}
      {tab === 'policy' && <PolicyTab state={state} service={service} />}
      {tab === 'explain' && <ExplainTab state={state} service={service} />}
    </>
  );
}

function BackLink() {
  return (
    <a href={routeHref([])} class="quiet">
      ← {t('allServices')}
    </a>
  );
}

mountPage(ProcessPage);
