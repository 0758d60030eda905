import { useState } from 'preact/hooks';
import { Notice } from '../kit/badge';
import { Dialog } from '../kit/dialog';
import { TextField } from '../kit/field';
import { createStore, useStore } from '../kit/store';
import { type Refused, token } from './api';
import { words as t } from './words';

const isAsking = createStore(false);

/** Says whether there is a token, and takes another. */
export function TokenButton() {
  const own = useStore(token);
  const asks = useStore(isAsking);
  return (
    <>
      <button type="button" class="button" onClick={() => isAsking.set(true)}>
        {own === '' ? t('giveToken') : t('hasToken')}
      </button>
      {asks && <TokenDialog onClose={() => isAsking.set(false)} />}
    </>
  );
}

function TokenDialog({ onClose }: { readonly onClose: () => void }) {
  const [text, setText] = useState('');
  const isToken = /^[\x21-\x7e]{1,1024}$/.test(text);
  const use = (value: string): void => {
    token.set(value);
    onClose();
  };
  return (
    <Dialog
      title={t('token')}
      onClose={onClose}
      actions={
        <>
          {token.get() !== '' && (
            <button type="button" class="button" onClick={() => use('')}>
              {t('forgetToken')}
            </button>
          )}
          <button type="button" class="button primary" disabled={!isToken} onClick={() => use(text)}>
            {t('useToken')}
          </button>
        </>
      }
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (isToken) use(text);
        }}
      >
        <TextField label={t('token')} type="password" value={text} onInput={setText} hint={t('tokenHint')} isMono />
      </form>
    </Dialog>
  );
}

/** Why something is not shown, and what helps. */
export function Refusal({ refused }: { readonly refused: Refused }) {
  const isForbidden = refused.status === 403;
  return (
    <Notice tone={refused.status === 404 ? 'quiet' : 'bad'}>
      {refused.status === 0 ? t('noAnswer') : refused.message}
      {isForbidden && (
        <>
          {' '}
          <button type="button" class="button" onClick={() => isAsking.set(true)}>
            {t('otherToken')}
          </button>
        </>
      )}
    </Notice>
  );
}
