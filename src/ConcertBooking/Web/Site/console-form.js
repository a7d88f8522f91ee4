// Forms that add something: what is wrong is said beside the field, and what became of it below the button.
import { Problem } from './api.js';
import { announce, errorBox, h, replace, setText } from './dom.js';
import { number, t } from './i18n.js';
import { words } from './problems.js';

/** A field with its label, a hint and a place for what is wrong. `options`: a select of these. */
export function field({ id, label, hint, options, ...properties }) {
  const about = hint ? `${id}-hint ${id}-error` : `${id}-error`;
  const input = h(options ? 'select' : 'input', { id, 'aria-describedby': about, ...(options ? {} : { type: 'text' }), ...properties },
    options?.map(([value, text]) => h('option', { value }, text)));
  const element = h('div', { class: 'field' }, h('label', { for: id }, label), input,
    hint ? h('p', { class: 'hint', id: `${id}-hint` }, hint) : null, h('p', { class: 'field-error', id: `${id}-error` }));
  return { element, input };
}

/** What is wrong with a field, in the page's language, not the browser's. */
function fault(input) {
  const { validity, min, max } = input;
  if (validity.valid) {
    return '';
  }

  return validity.valueMissing || validity.badInput ? t('form.missing')
    : validity.patternMismatch ? input.title
      : t('form.range', { from: number(Number(min)), to: number(Number(max)) });
}

/**
 * @param {{children, go, send}} parts `send`: makes the request, and returns what to say when it is done
 */
export function form({ children, go, send }) {
  const message = h('div', { class: 'messages' });
  const button = h('button', { type: 'submit', class: 'primary' }, go);
  let busy = false;
  const submit = async event => {
    event.preventDefault();
    if (busy || !checked(element)) {
      return;
    }

    busy = true;
    button.setAttribute('aria-busy', 'true');
    replace(message, h('p', { class: 'hint' }, t('form.sending')));
    try {
      const text = await send();
      replace(message, h('p', { class: 'notice good' }, text));
      announce(text);
    } catch (error) {
      replace(message, refused(error));
    } finally {
      busy = false;
      button.removeAttribute('aria-busy');
    }
  };
  const element = h('form', { noValidate: true, onsubmit: submit }, children, h('div', { class: 'actions' }, button), message);
  element.addEventListener('input', ({ target }) => target.getAttribute('aria-invalid') && mark(target, fault(target)));
  return element;
}

function checked(element) {
  const inputs = [...element.querySelectorAll('input, select')];
  inputs.forEach(input => mark(input, fault(input)));
  const first = inputs.find(input => !input.validity.valid);
  first?.focus();
  return !first;
}

function mark(input, text) {
  text ? input.setAttribute('aria-invalid', 'true') : input.removeAttribute('aria-invalid');
  setText(document.getElementById(`${input.id}-error`), text);
}

/** Of a refusal the service's own words too, which name the member: they are English. */
function refused(error) {
  if (!(error instanceof Problem) || error.status >= 500) {
    return errorBox(error instanceof SyntaxError ? t('form.no-json') : t('form.unsure'));
  }

  const box = errorBox(error.code === 'invalid_request' ? t('form.refused') : words(error));
  box.append(h('ul', { lang: 'en' }, Object.entries(error.errors).map(([name, texts]) =>
    texts.map(text => h('li', null, h('code', null, name), ` ${text}`)))));
  return box;
}

export const isEmpty = input => input.value === '';

/** Of a field for date and time, which is in the reader's time zone: the moment as the API wants it; null when it is empty. */
export const moment = input => isEmpty(input) ? null : new Date(input.value).toISOString();

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
