// What a refusal means, in words for people. The words are in the message files, one for each code.
import { Problem } from './api.js';
import { has, span, t } from './i18n.js';
import { SignInNeeded } from './session.js';

export function words(error, values = {}) {
  if (error instanceof SignInNeeded) {
    return t('problem.sign_in');
  }

  if (!(error instanceof Problem)) {
    return t('problem.no_answer');
  }

  const key = `problem.${error.code}`;
  const text = t(error.code !== 'unknown' && has(key) ? key : error.status >= 500 ? 'problem.server' : 'problem.unknown', values);
  return error.retryAfter > 10 ? `${text} ${t('problem.later', { span: span(error.retryAfter * 1000) })}` : text;
}
