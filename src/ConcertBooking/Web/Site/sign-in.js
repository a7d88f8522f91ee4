// Signing in, where a view needs it.
import { h, replace, errorBox } from './dom.js';
import { t } from './i18n.js';
import { signInAs, signInAtIssuer, signInWay, user } from './session.js';
import { words } from './problems.js';

/**
 * @param then called once somebody is signed in
 * @param asAdmin whether development offers the role admin
 */
export function signInPanel(then, level = 'h2', asAdmin = false) {
  const message = h('div');
  const attempt = async action => {
    replace(message);
    try {
      await action();
      await then();
    } catch (error) {
      replace(message, errorBox(words(error)));
    }
  };
  const panel = h('section', { class: 'card narrow sign-in' }, h(level, null, t('sign-in.title')));
  if (signInWay === 'dev') {
    const field = h('input', {
      id: 'user-id', type: 'number', inputMode: 'numeric', min: '1', max: String(Number.MAX_SAFE_INTEGER), required: true,
      value: user() ?? String(1000 + Math.floor(Math.random() * 9000)),
    });
    const role = h('input', { id: 'user-admin', type: 'checkbox', checked: asAdmin });
    panel.append(
      h('p', null, t('sign-in.dev')),
      h('form', { onsubmit: event => { event.preventDefault(); attempt(() => signInAs(Number(field.value), role.checked)); } },
        h('label', { for: 'user-id' }, t('sign-in.user')), field,
        asAdmin ? h('div', { class: 'check' }, role, h('label', { for: 'user-admin' }, t('sign-in.admin'))) : null,
        h('button', { type: 'submit', class: 'primary' }, t('sign-in.go'))));
  } else if (signInWay === 'openid') {
    panel.append(
      h('p', null, t('sign-in.issuer')),
      h('button', { type: 'button', class: 'primary', onclick: () => attempt(signInAtIssuer) }, t('sign-in.go')));
  } else {
    panel.append(h('p', null, t('sign-in.none')));
  }

  panel.append(message);
  return panel;
}
