import { useState } from 'preact/hooks';
import { Notice } from '../kit/badge';
import { Select, TextField } from '../kit/field';
import { Card } from '../kit/shell';
import { useStore } from '../kit/store';
import { Refusal } from './access';
import { type PolicyTold, type RolloutCheck, subsetsOf } from './answers';
import { facts, ofService, useAsked } from './api';
import { WriteDialog } from './change';
import { useChecked } from './checked';
import { DocumentEditor } from './document-editor';
import { useDraft } from './drafts';
import { Steps } from './rollout-steps';
import { formOf, type RolloutForm, rolloutText } from './rollout-text';
import { words as t } from './words';

const NONE = [] as const;

/** A rollout by a form, which writes its text, or by the text itself. */
export function StartRollout({ service, onDone }: { readonly service: string; readonly onDone: () => void }) {
  const { told } = useAsked<PolicyTold>(ofService(service, 'policy'));
  const subsets = subsetsOf(told?.result);
  const [typed, setTyped] = useState<Partial<RolloutForm>>({});
  const [draft, setDraft] = useDraft(`rollout ${service}`);
  const [isWriting, setWriting] = useState(false);
  const isReadOnly = useStore(facts)?.isReadOnly === true;
  const form = { ...formOf(subsets), ...typed };
  const written = rolloutText(service, form);
  const text = draft?.text ?? written;
  const asked = useChecked<RolloutCheck>(
    ofService(service, 'rollout/check'),
    told === undefined ? undefined : { text },
  );
  if (isReadOnly || told === undefined) return null;
  const check = asked.told?.result;
  const { refusal = null, missing = null, problems = NONE, steps = NONE } = check ?? {};
  return (
    <Card title={t('startRollout')}>
      <div class="stack">
        {draft === undefined ? (
          <FormFields {...{ form, subsets }} onChange={(part) => setTyped({ ...typed, ...part })} />
        ) : (
          <p class="row">
            <span class="quiet">{t('byHand')}</span>
            <button type="button" class="button" onClick={() => setDraft(undefined)}>
              {t('byForm')}
            </button>
          </p>
        )}
        <DocumentEditor
          label={t('rolloutText')}
          text={text}
          onText={(next) =>
            setDraft(next === written ? undefined : { text: next, base: { text: written, revision: undefined } })
          }
          document="rollout"
          subsets={subsets}
          problems={problems}
          warnings={NONE}
        />
        {asked.refused !== undefined && <Refusal refused={asked.refused} />}
        {refusal !== null && <Notice tone="bad">{refusal}</Notice>}
        {missing !== null && <Notice tone="warn">{missing}</Notice>}
        <div class="row">
          <button
            type="button"
            class="button primary"
            disabled={check?.isValid !== true || refusal !== null || asked.isLoading}
            onClick={() => setWriting(true)}
          >
            {t('startRollout')}…
          </button>
        </div>
      </div>
      {isWriting && (
        <WriteDialog
          title={t('startRolloutOf', { service })}
          verb={t('startRollout')}
          flags={['force']}
          isDoubted={missing !== null}
          write={{ method: 'PUT', path: ofService(service, 'rollout/start'), body: { text } }}
          onClose={() => setWriting(false)}
          onDone={() => {
            setDraft(undefined);
            onDone();
          }}
        >
          <Steps steps={steps} />
          {missing !== null && <Notice tone="warn">{missing}</Notice>}
          <p class="quiet">{t('aboutStart')}</p>
        </WriteDialog>
      )}
    </Card>
  );
}

function FormFields(props: {
  readonly form: RolloutForm;
  readonly subsets: readonly string[];
  readonly onChange: (part: Partial<RolloutForm>) => void;
}) {
  const { form, subsets, onChange } = props;
  const options = subsets.map((value) => ({ value, label: value }));
  return (
    <div class="team-form">
      <Select label={t('raised')} value={form.canary} options={options} onChange={(canary) => onChange({ canary })} />
      <Select
        label={t('comparedWith')}
        value={form.stable}
        options={options}
        onChange={(stable) => onChange({ stable })}
      />
      <TextField label={t('weightsInOrder')} value={form.weights} onInput={(weights) => onChange({ weights })} />
      <TextField
        label={t('minutesEach')}
        type="number"
        value={form.minutes}
        onInput={(minutes) => onChange({ minutes })}
        hint={t('optional')}
      />
      <TextField
        label={t('judgedBy')}
        value={form.provider}
        onInput={(provider) => onChange({ provider })}
        suggestions={['clients']}
        hint={t('judgedByHint')}
      />
    </div>
  );
}
