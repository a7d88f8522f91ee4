// The head of a view that is about one show.
import { h } from './dom.js';
import { dateTime } from './i18n.js';

/** When it is, and where. */
export const facts = plan => h('p', { class: 'facts' },
  h('time', { datetime: plan.startsAt }, dateTime(plan.startsAt)), plan.hall ? h('span', null, plan.hall) : null);

export const showHead = (plan, backTo, backText) => h('div', { class: 'show-head' },
  h('a', { class: 'back', href: backTo }, backText), h('h1', null, plan.title), facts(plan));
