// The organiser's console: its views, in the frame. Only who has the role admin sees more than a refusal.
import { Problem } from './api.js';
import { h } from './dom.js';
import { t } from './i18n.js';
import { run } from './frame.js';
import { signInPanel } from './sign-in.js';
import { queuesView } from './console-queues.js';

/** The console has the words of the booking page, and its own, some in place of those. */
async function addWords() {
  for (const [all, own] of [
    [import('./messages.en.js'), import('./console.en.js')], [import('./messages.ko.js'), import('./console.ko.js')],
  ]) {
    Object.assign((await all).default, (await own).default);
  }
}

function refusal(error, leave) {
  return !(error instanceof Problem && error.status === 403) ? null : {
    title: t('refused.title'),
    element: h('section', { class: 'card narrow' }, h('h1', null, t('refused.title')),
      h('p', { class: 'lead' }, t('refused.text')), h('div', { class: 'actions' },
        h('button', { type: 'button', class: 'primary', onclick: leave }, t('refused.other')),
        h('a', { class: 'button quiet', href: '/' }, t('refused.page')))),
  };
}

await addWords();
await run({
  links: [
    ['#/', 'nav.queues', /^(#\/?)?$/], ['#/concerts', 'nav.concerts', /^#\/(concert|schedule)/], ['#/halls', 'nav.halls', /^#\/halls$/],
    ['#/system', 'nav.system', /^#\/system$/],
  ],
  routes: [
    [/^#\/concerts$/, async (...all) => (await import('./console-concerts.js')).concertsView(...all)],
    [/^#\/concert\/(\d+)$/, async (...all) => (await import('./console-concert.js')).concertView(...all)],
    [/^#\/schedule\/(\d+)$/, async (...all) => (await import('./console-schedule.js')).scheduleView(...all)],
    [/^#\/halls$/, async (...all) => (await import('./console-halls.js')).hallsView(...all)],
    [/^#\/system$/, async (...all) => (await import('./console-system.js')).systemView(...all)],
    [/^/, queuesView],
  ],
  signIn: (then, level) => signInPanel(then, level, true),
  explain: refusal,
});
